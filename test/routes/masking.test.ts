import { request } from 'node:http'
import { connect } from 'node:net'
import { Writable } from 'node:stream'
import Fastify from 'fastify'
import { test } from 'tap'
import chat from '../../index.js'
import { PARAM_LENGTH } from '../../app.js'
import { maskTokens } from '../../plugins/logging.js'
import { baseUrl, buildListening, SECRET, throwAwayStore, token } from '../helper.js'

const secret = token({ sub: 'alice' })
const [head, claims, signature] = secret.split('.') as [string, string, string]

/** Keeps the lines of the log. */
function sink (): { log: Writable, text: () => string } {
  let text = ''
  return { log: new Writable({ write (chunk, _encoding, done) { text += String(chunk); done() } }), text: () => text }
}

/** Sends a URL unchanged: `fetch` would normalise it. */
async function get (origin: string, path: string, headers: Record<string, string> = {}): Promise<string> {
  return await new Promise((resolve, reject) => {
    request(origin, { path, headers }, response => {
      let answer = JSON.stringify(response.rawHeaders)
      response.setEncoding('utf8').on('data', chunk => { answer += String(chunk) }).once('end', () => { resolve(answer) })
    }).once('error', reject).end()
  })
}

/** Ways in which a token gets into places where it does not belong. */
const mangled = [
  `/api/sse%3Ftoken=${secret}`, `/api/sse/${secret}`, `/api/sse;token=${secret}`, `/api/sse&token=${secret}`, `/${secret}/x`, `/api/sse/token%3D${secret}?x=1`, `/api/chat/messages/${secret}/status`, `/api/sse/Bearer%20${secret}`,
  `/api/sse/${head}%2E${claims}%2e${signature}`, `/api/sse/%65yJ${head.slice(3)}.${claims}.${signature}`, `/api/sse/${head}%252E${claims}%252E${signature}`, `/api/sse/${head}==.${claims}==.${signature}`, `/%zz${secret}`, `/api/sse/x.${secret}.y`, `/api/sse?token=${secret}`, `/?token=${secret}`
]

const shows = (text: string): boolean => text.includes(signature) || text.includes(claims)

test('a token in a mangled URL is not logged, and comes back in no answer', async t => {
  const { log, text } = sink()
  const app = await buildListening(t, { log, chat: { page: true, docs: true } })
  for (const path of mangled.filter(path => !path.startsWith('/api/sse?'))) {
    t.notOk(shows(await get(baseUrl(app), path)), path.slice(0, 30))
  }
  for (const name of ['authorization', 'x-request-id', 'user-agent', 'origin', 'referer', 'content-type']) t.notOk(shows(await get(baseUrl(app), '/nowhere', { [name]: `Bearer ${secret}` })), name)
  const answer = await app.inject({ method: 'POST', url: '/api/chat/typing', headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }, payload: secret })
  t.notOk(shows(answer.body), 'a body that is one')
  // The lines of other code go the same way.
  app.log.error({ err: new Error(`bad token ${secret}`), headers: { authorization: `Bearer ${secret}` }, url: `/x/${secret}` }, `refused ${secret}`)
  t.match(text(), /\[token\]/)
  t.notOk(shows(text()), 'the log')
  for (const line of text().trim().split('\n')) t.doesNotThrow(() => { JSON.parse(line) }, 'is still JSON')
})

test('inside another app, too', async t => {
  const { log, text } = sink()
  const store = await throwAwayStore()
  // With a lower limit, the host's router answers a long id itself, and shows the URL to who sent it
  const app = Fastify({ routerOptions: { maxParamLength: PARAM_LENGTH }, logger: { level: 'trace', stream: log } })
  await app.register(chat, { prefix: '/team', page: true, ...store.options, jwt: { secret: SECRET } })
  t.teardown(async () => {
    await app.close()
    await store.remove()
  })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  for (const path of mangled.filter(path => !path.startsWith('/api/sse?') && !path.startsWith('/%zz'))) t.notOk(shows(await get(origin, `/team${path}`)), path.slice(0, 30))
  t.notOk(shows(await get(origin, `/team?token=${secret}`)), 'a redirect')
  t.notOk(shows(text()), 'the log')
})

test('what a host\'s login throws is logged without the token', async t => {
  const { log, text } = sink()
  const store = await throwAwayStore()
  const app = Fastify({ logger: { level: 'trace', stream: log } })
  await app.register(chat, { ...store.options, authenticate: () => { throw new Error(`no key for ${secret}`, { cause: new Error(secret) }) } })
  t.teardown(async () => {
    await app.close()
    await store.remove()
  })
  t.equal((await app.inject('/api/chat/me')).statusCode, 500)
  t.match(text(), 'no key for [token]')
  t.notOk(shows(text()))
})

test('what isn\'t a token is left', async t => {
  for (const text of ['/api/chat/conversations/conv_alice_bob', '/a%20b/%2e', 'eyJust a word', 'heyJude', 'x.y.z', '{"msg":"a.b.c","n":1}', '']) t.equal(maskTokens(text), text)
  t.equal(maskTokens(`a ${secret} b`), 'a [token] b')
})

test('OPTIONS without a preflight\'s headers is refused in the shape of errors, whether CORS is on or off', async t => {
  for (const corsOrigins of [[], ['*'], ['https://a.example']]) {
    const app = await buildListening(t, { corsOrigins })
    for (const url of ['/api/chat/me', '/api/sse', '/nowhere', '*', '/']) {
      for (const headers of [{}, { origin: 'https://a.example' }, { 'access-control-request-method': 'GET' }] as Array<Record<string, string>>) {
        const answer = await app.inject({ method: 'OPTIONS', url, headers })
        t.match(answer.headers['content-type'], /^application\/json/, `${corsOrigins.join()} ${url}`)
        t.match(answer.json(), { statusCode: answer.statusCode, code: /^(BAD_REQUEST|NOT_FOUND)$/, error: String, message: String })
      }
    }
    const preflight = await app.inject({ method: 'OPTIONS', url: '/api/chat/me', headers: { origin: 'https://a.example', 'access-control-request-method': 'GET' } })
    t.equal(preflight.statusCode, corsOrigins.length === 0 ? 404 : 204)
  }
  // As the target of a server's own request.
  const app = await buildListening(t, { corsOrigins: ['*'] })
  const socket = connect(Number(new URL(baseUrl(app)).port), '127.0.0.1')
  socket.end('OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  t.match(answer, /^HTTP\/1\.1 4\d\d [^]*"code":"[A-Z_]+"/)
})
