import { request } from 'node:http'
import { test } from 'tap'
import type { Conversation } from '../../schemas/conversations.js'
import { baseUrl, build, buildListening, call, uniqueId, user, type User } from '../helper.js'

/** An escaped text for the report, which is read line by line. */
const escaped = (text: string): string => JSON.stringify(text).replaceAll(/[^ -~]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

test('. and .. are no ids: URLs swallow them', async t => {
  const app = await buildListening(t, { chat: { accounts: true } })
  const alice = await user(app, 'alice').arrive()
  for (const id of ['.', '..']) {
    t.match(await user(app, id).call('GET', '/api/chat/me'), { status: 401, body: { code: 'UNAUTHORIZED' } }, `token of ${id}`)
    t.match(await user(app, id).call('GET', '/api/sse'), { status: 401 })
    t.match(await call(app, 'POST', '/api/auth/register', { payload: { userId: id, password: 'correct horse' } }), { status: 400, body: { code: 'VALIDATION_FAILED' } }, `register ${id}`)
    t.match(await alice.call('POST', '/api/chat/conversations', { type: 'direct', userId: id }), { status: 400 })
    t.match(await alice.call('POST', '/api/chat/conversations', { type: 'group', participantIds: [id] }), { status: 400 })
    const group = await alice.group([])
    t.match(await alice.call('POST', `/api/chat/conversations/${group}/participants`, { participantIds: [id] }), { status: 400 })
    await t.rejects(app.chat.ensureUser({ userId: id, displayName: null, avatar: null, issuedAt: null, expiresAt: null }), { code: 'VALIDATION_FAILED' }, 'in process, too')
    // Sends the id unchanged: `inject` and `fetch` would fold it.
    for (const segment of [id, id.replaceAll('.', '%2e')]) {
      const status = await new Promise(resolve => {
        request(`${baseUrl(app)}`, { method: 'DELETE', path: `/api/chat/conversations/${group}/participants/${segment}`, headers: { authorization: `Bearer ${alice.token}` } },
          response => { response.resume(); resolve(response.statusCode) }).end()
      })
      t.equal(status, 404, segment)
    }
  }
  for (const id of ['...', '.a', 'a.', 'a..b']) {
    t.match(await call(app, 'POST', '/api/auth/register', { payload: { userId: id, password: 'correct horse' } }), { status: 201 }, id)
    t.equal((await user(app, id).call('GET', '/api/chat/me')).status, 200)
  }
})

test('an account\'s id differs from others to the eye', async t => {
  const app = await build(t, { chat: { accounts: true } })
  const register = async (userId: string) => await call(app, 'POST', '/api/auth/register', { payload: { userId, password: 'correct horse' } })
  for (const id of [' a', 'a ', '\u00a0a', 'a\u3000', 'a\u2003', 'a\tb', 'a\nb', 'a\u0085b', 'a\u2028b', 'a\u2029', 'a\u202eb', 'a\u2066b', 'a\u200eb', 'a\u200bb', 'a\u200d', 'a\u200cb', '\ufeffa', 'a\u2060b', 'a\u00adb', 'a\u3164', 'a\ufe0f', '\u2800',
    'a\u{e0041}b', ' ', '\u200b', '\u3164', 'a\u061cb', 'a\u180eb']) {
    t.match(await register(id), { status: 400, body: { code: 'VALIDATION_FAILED' } }, escaped(id))
  }
  for (const id of ['a b', 'Zoë', '名前', '😀', 'a'.repeat(128), 'a@example.com', 'علي']) t.equal((await register(id)).status, 201, escaped(id))
  // A user who has such an id from a token keeps it.
  t.match((await user(app, ' a\u200b ').call('GET', '/api/chat/me')).body, { userId: ' a\u200b ', displayName: ' a\u200b ' })
  t.match(await call(app, 'POST', '/api/auth/login', { payload: { userId: ' a\u200b ', password: 'correct horse' } }), { status: 401, body: { code: 'INVALID_CREDENTIALS' } })
})

/** The name that is given, and the name that is shown. Null stands for the id. */
const names: Array<[told: string, shown: string | null]> = [
  ['  Alice \n', 'Alice'], ['Ali\r\nce', 'Alice'], ['A\u202elice\u202c', 'Alice'], ['\u2066A\u2069', 'A'], ['A\u2028B\u2029C\u0085D', 'ABCD'], ['A\u0007B\u009fC', 'ABC'], ['\ufeffA\u00a0', 'A'], ['\u200bA\u3164', 'A'],
  ['A  B', 'A  B'], ['👩‍👩‍👧', '👩‍👩‍👧'], ['❤️', '❤️'], ['می‌خواهم', 'می‌خواهم'], ['\u200eעברית', '\u200eעברית'], ['🏴󠁧󠁢󠁥󠁮󠁧󠁿', '🏴󠁧󠁢󠁥󠁮󠁧󠁿'],
  ['', null], ['   ', null], ['\t\n', null], ['\u200b', null], ['\u3164', null], ['\u2800 \u2800', null], ['\u00ad', null], ['\u200d\u200c', null], ['\ufe0f', null], ['\u115f\u1160\uffa0', null], ['\u202e\u202c', null], ['\u034f', null], ['\u{e0020}', null],
  ['\u2064', null], ['\u180e', null], ['\u{1d159}', null]
]

test('names are trimmed, show something, and turn nothing around', async t => {
  const app = await buildListening(t, { chat: { accounts: true } })
  const host = await build(t, { chat: { authenticate: ({ headers }) => JSON.parse(Buffer.from(String(headers['x-caller']), 'base64').toString()) } })
  const nameOf = async (who: User): Promise<unknown> => (await who.ok('GET', '/api/chat/me')).displayName
  for (const [told, shown] of names) {
    const [token, account, hosted, local, streamed] = Array.from({ length: 5 }, () => uniqueId()) as [string, string, string, string, string]
    t.equal(await nameOf(user(app, token, { name: told })), shown ?? token, `token: ${escaped(told)}`)
    const { body } = await call<{ user: { displayName: string } }>(app, 'POST', '/api/auth/register', { payload: { userId: account, password: 'correct horse', displayName: told } })
    t.equal(body.user.displayName, shown ?? account, 'register')
    const headers = { 'x-caller': Buffer.from(JSON.stringify({ userId: hosted, displayName: told })).toString('base64') }
    t.equal((await call(host, 'GET', '/api/chat/me', { headers })).body.displayName, shown ?? hosted, 'host')
    await app.chat.ensureUser({ userId: local, displayName: told, avatar: null, issuedAt: null, expiresAt: null })
    t.equal((await app.chat.user(local)).displayName, shown ?? local, 'in process')
    await (await user(app, streamed, { name: told }).stream(t)).close()
    t.equal((await app.chat.user(streamed)).displayName, shown ?? streamed, 'stream')
  }
  const long = uniqueId()
  t.equal(await nameOf(user(app, long, { name: `${' '.repeat(300)}${'😀'.repeat(199)}  x` })), '😀'.repeat(199), 'cut to 200 code points, and trimmed after')
})

test('titles alike; one that shows nothing is none', async t => {
  const app = await build(t)
  const alice = await user(app, 'alice').arrive()
  for (const [told, shown] of names) {
    const { title } = await alice.ok<Conversation>('POST', '/api/chat/conversations', { type: 'group', title: told, participantIds: [] })
    t.equal(title, shown, escaped(told))
  }
})
