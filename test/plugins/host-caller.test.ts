import { Writable } from 'node:stream'
import Fastify from 'fastify'
import { test, type Test } from 'tap'
import chat, { chatError, type HostAuthenticate } from '../../index.js'
import { openEvents } from '../event-reader.js'
import { baseUrl, call, listen, throwAwayStore, type Answer } from '../helper.js'

interface Host { me: () => Promise<Answer>, stream: () => Promise<{ status: number, text: string }>, lines: () => string }

/** A host app with this `authenticate` function. */
async function host (t: Test, authenticate: () => unknown): Promise<Host> {
  let log = ''
  const store = await throwAwayStore()
  const app = Fastify({ routerOptions: { maxParamLength: 3600 }, logger: { level: 'warn', stream: new Writable({ write (line, _encoding, done) { log += String(line); done() } }) } })
  t.teardown(async () => {
    await app.close()
    await store.remove()
  })
  await app.register(chat, { ...store.options, authenticate: authenticate as HostAuthenticate })
  await listen(app)
  return {
    me: async () => await call(app, 'GET', '/api/chat/me'),
    async stream () {
      const reader = await openEvents(t, `${baseUrl(app)}/api/sse`)
      return { status: reader.status, text: reader.status === 200 ? (await reader.next()).type : '' }
    },
    lines: () => log
  }
}

test('who is nobody to the host is 401', async t => {
  let answer: unknown
  const { me, stream, lines } = await host(t, () => answer)
  for (answer of [undefined, null, false, '', 0, Promise.resolve(undefined), Promise.resolve(false)]) {
    t.match(await me(), { status: 401, body: { statusCode: 401, code: 'UNAUTHORIZED', error: 'Unauthorized' } }, String(answer))
  }
  answer = undefined
  t.equal((await stream()).status, 401, 'a stream, too')
  t.equal(lines(), '', 'that is no mistake')
})

test('an id that nobody can have is 401, and the log names the option', async t => {
  let userId: unknown
  const { me, stream, lines } = await host(t, () => ({ userId }))
  for (userId of ['', '.', '..', 'a\nb', 'x'.repeat(129), '\ud800']) {
    t.match(await me(), { status: 401, body: { code: 'UNAUTHORIZED' } }, JSON.stringify(userId).slice(0, 20))
  }
  t.equal((await stream()).status, 401)
  t.match(lines(), /option authenticate/)
})

test('what can be no caller is a 500, and the log names the option', async t => {
  let answer: unknown
  const { me, lines } = await host(t, () => answer)
  let seen = 0
  for (answer of [{ get userId () { throw new Error('mine') } }, new Proxy({}, { get (_, name) { if (name !== 'then') throw new Error('mine') } }), true, 7, 'alice', [], {}, { userId: 7 }, { userId: null }, { userId: ['alice'] }, { id: 'alice' }, { userId: 'alice', displayName: 7 }, { userId: 'alice', displayName: {} },
    { userId: 'alice', avatar: 7 }, { userId: 'alice', expiresAt: 'soon' }, { userId: 'alice', expiresAt: NaN }, { userId: 'alice', expiresAt: new Date() }, () => {}, 7n]) {
    t.match(await me(), { status: 500, body: { statusCode: 500, code: 'INTERNAL_ERROR', message: 'Something went wrong' } })
    const line = lines().slice(seen)
    seen = lines().length
    t.match(line, /option authenticate must give/)
  }
})

test('what is odd and harmless is taken', async t => {
  let answer: unknown
  const { me } = await host(t, () => answer)
  for (const [given, expected] of [
    [{ userId: 'alice', displayName: null, avatar: null, expiresAt: null }, { displayName: 'alice', avatar: null }],
    [{ userId: 'alice', displayName: '', avatar: 'nowhere' }, { displayName: 'alice', avatar: null }],
    [{ userId: 'alice', displayName: 'A\u0000lice', avatar: 'https://x.example/a.png' }, { displayName: 'Alice', avatar: 'https://x.example/a.png' }],
    [{ userId: 'alice', expiresAt: Infinity }, { displayName: 'alice' }]
  ] as Array<[object, object]>) {
    answer = given
    t.match(await me(), { status: 200, body: { userId: 'alice', ...expected } }, JSON.stringify(given))
  }
  answer = { userId: 'alice', expiresAt: Date.now() - 1 }
  t.match(await me(), { status: 401, body: { code: 'TOKEN_EXPIRED' } }, 'who has expired is 401')
})

test('what the host throws keeps its status, in our shape', async t => {
  let thrown: unknown
  const { me, lines } = await host(t, async () => { throw thrown })
  const own = (more: object): Error => Object.assign(new Error('a secret of the host'), more)
  for (const [error, status, code] of [
    [own({ statusCode: 401 }), 401, 'UNAUTHORIZED'], [own({ status: 401 }), 401, 'UNAUTHORIZED'], [{ statusCode: 401 }, 401, 'UNAUTHORIZED'], [own({ statusCode: 403, code: 'NOT_FOUND_BY_HOST' }), 403, 'FORBIDDEN'],
    [own({ statusCode: 422 }), 422, 'BAD_REQUEST'], [own({ statusCode: 503 }), 503, 'UNAVAILABLE'], [chatError('FORBIDDEN'), 403, 'FORBIDDEN'],
    [own({ code: 'UNAUTHORIZED' }), 500, 'INTERNAL_ERROR'], [own({ code: 'UNAUTHORIZED', statusCode: 200 }), 500, 'INTERNAL_ERROR'], [{ get statusCode () { throw new Error('a secret of the host') } }, 500, 'INTERNAL_ERROR'], [own({}), 500, 'INTERNAL_ERROR'], [own({ statusCode: 200 }), 500, 'INTERNAL_ERROR'], [own({ statusCode: 302 }), 500, 'INTERNAL_ERROR'],
    [own({ statusCode: '401' }), 500, 'INTERNAL_ERROR'], [own({ statusCode: 700 }), 500, 'INTERNAL_ERROR'], [own({ statusCode: 502 }), 500, 'INTERNAL_ERROR'],
    ['a secret of the host', 500, 'INTERNAL_ERROR'], [undefined, 500, 'INTERNAL_ERROR'], [null, 500, 'INTERNAL_ERROR'], [7, 500, 'INTERNAL_ERROR']
  ] as Array<[unknown, number, string]>) {
    thrown = error
    const answer = await me()
    t.match(answer, { status, body: { statusCode: status, code } }, `${String(error)} ${status}`)
    t.notMatch(JSON.stringify(answer.body), 'a secret of the host')
  }
  t.match(lines(), /the option authenticate threw/)
})

test('a stream is told to come back when the host can\'t say now', async t => {
  const { stream } = await host(t, async () => { throw Object.assign(new Error('away'), { statusCode: 503 }) })
  t.strictSame(await stream(), { status: 200, text: 'disconnect' })
})
