import { Agent, request, type OutgoingHttpHeaders } from 'node:http'
import { Writable } from 'node:stream'
import { test, type Test } from 'tap'
import { baseUrl, buildListening, token, users, type User } from '../helper.js'

/** Node.js accepts 16 KiB for the URL and headers together; the rest of the request needs part of that. */
const HEADER_MAX = 15_000
const BODY_MAX = 65_000
/**
 * How much more CPU than a plain request of the same size a request may take. Patterns that are quadratic in 15,000
 * characters take about a hundred times as much.
 */
const FACTOR = 25
/** The lowest of this many attempts counts, because garbage collection and compilation are not the cost of a request. */
const ATTEMPTS = 10

interface Shot { method: string, path: string, headers?: OutgoingHttpHeaders, body?: string }

/** Sends requests one after the other on one connection, and measures their cost. */
class Range {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #port: number
  readonly statuses = new Set<number>()

  constructor (t: Test, origin: string) {
    this.#port = Number(new URL(origin).port)
    t.teardown(() => { this.#agent.destroy() })
  }

  /** Milliseconds of this process's CPU, including the client's part. */
  async cost (shot: Shot, isEnough = (_ms: number): boolean => false): Promise<number> {
    let least = Infinity
    for (let attempt = 0; attempt < ATTEMPTS && !isEnough(least); attempt++) {
      const before = process.cpuUsage()
      await this.#send(shot)
      const { user, system } = process.cpuUsage(before)
      least = Math.min(least, (user + system) / 1000)
    }
    return least
  }

  async #send ({ method, path, headers = {}, body }: Shot): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const sent = request({ port: this.#port, host: '127.0.0.1', method, path, agent: this.#agent, headers }, response => {
        this.statuses.add(response.statusCode ?? 0)
        // A stream does not end by itself.
        if (response.headers['content-type']?.startsWith('text/event-stream') === true) response.destroy()
        response.resume().once('close', resolve)
      })
      sent.once('error', reject)
      // Sent as bytes: a string body would make Node.js encode the headers as UTF-8, too.
      sent.end(body === undefined ? undefined : Buffer.from(body))
    })
  }
}

/** Asserts that the worst request costs at most `FACTOR` times the plain one. */
async function compare (t: Test, range: Range, plain: Shot, shots: Array<[name: string, shot: Shot]>): Promise<void> {
  for (let warmUp = 0; warmUp < 5; warmUp++) await range.cost(plain)
  const bound = FACTOR * await range.cost(plain)
  const slow: string[] = []
  for (const [name, shot] of shots) {
    const ms = await range.cost(shot, ms => ms <= bound)
    if (ms > bound) slow.push(`${name}: ${ms.toFixed(1)} ms of CPU, above ${bound.toFixed(1)}`)
  }
  t.strictSame(slow, [], `${shots.length} requests`)
  t.notOk(range.statuses.has(431), 'Node.js let all of them in')
}

async function scene (t: Test): Promise<{ range: Range, alice: User, conversationId: string }> {
  // Log lines go through the serializers as usual.
  const log = new Writable({ write (_chunk, _encoding, done) { done() } })
  const app = await buildListening(t, { chat: { page: true, accounts: true }, corsOrigins: ['https://a.example'], log })
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  return { range: new Range(t, baseUrl(app)), alice, conversationId: await alice.direct(bob) }
}

/** Repeats a text up to the length, between two other characters, so that a pattern that looks for the end of the run finds none. */
const filled = (filler: string, length: number): string => `a${filler.repeat(Math.ceil(length / filler.length)).slice(0, length - 2)}b`

const headerFillers = [' ', '\t', ',', ' ,', ', ', ';', '; ', 'a', 'a,', '=', '"', '\\', '\\"', '.', '-', '_', '0', '%', '/', '\u0080', '\u00a0', 'W/"', '"a",', 'gzip;', 'gzip; ', ';q=', ';a="', 'q=0.', 'eyJ', 'eyJ.', 'Bearer ', ':', '[', '::', '1.']

test('a header costs no more than its length, whatever it holds', async (t) => {
  const { range, alice } = await scene(t)
  const own = { authorization: `Bearer ${alice.token}` }
  const names = ['authorization', 'if-none-match', 'if-modified-since', 'accept-encoding', 'accept', 'accept-language', 'last-event-id', 'origin', 'cookie',
    'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'forwarded', 'host', 'range', 'user-agent', 'cache-control', 'te', 'x-request-id', 'request-id']
  const routes: Array<Shot & { names: string[] }> = [
    { method: 'GET', path: '/', names },
    { method: 'OPTIONS', path: '/api/chat/messages', names: ['origin', 'access-control-request-method', 'access-control-request-headers'] },
    { method: 'GET', path: '/api/sse', names: ['authorization', 'last-event-id', 'origin'] },
    { method: 'POST', path: '/api/chat/typing', body: '{}', names: ['content-type', 'content-encoding', 'authorization'] }
  ]
  const shots = routes.flatMap(({ names, ...route }) => names.flatMap(name => headerFillers.map((filler): [string, Shot] => [
    `${route.method} ${route.path} ${name}: ${JSON.stringify(filler)}`, { ...route, headers: { ...own, [name]: filled(filler, HEADER_MAX) } }
  ])))
  await compare(t, range, { method: 'GET', path: '/health/live', headers: { ...own, 'x-plain': filled('a', HEADER_MAX) } }, shots)
  // `trim()` removes what is at the ends: the worst case is in the middle, but also at one end.
  const ends = names.flatMap(name => [' ', '\t', ','].flatMap(filler => [`Bearer ${filler.repeat(HEADER_MAX)}x`, `a${filler.repeat(HEADER_MAX)}`].map((value): [string, Shot] => [
    `${name}: ${JSON.stringify(value.slice(0, 10))}`, { method: 'GET', path: '/', headers: { [name]: value } }])))
  await compare(t, range, { method: 'GET', path: '/health/live', headers: { 'x-plain': filled('a', HEADER_MAX) } }, ends)
})

test('a path and a query cost no more than their length', async (t) => {
  const { range, alice, conversationId } = await scene(t)
  const headers = { authorization: `Bearer ${alice.token}` }
  const fillers = ['a', '/', '//', './', '../', '.', '%', '%2', '%2f', '%2F..', '%20', '%00', '%E2%80%8B', '%F0%9F%98%80', '%ED%A0%80', ';', ':', '-', '_', '0', '1.', '?', '&', '=', 'a&', 'a=', 'a=1&', '+', '#', 'eyJ', 'eyJ.', 'eyJ%2E', '*', '(', '@']
  const paths = ['/', '/api/', '/api/chat/conversations/', '/api/chat/messages/', `/api/chat/conversations/${conversationId}/participants/`, '/api/sse/', '/api/sse?', '/api/sse?token=', '/api/sse?lastEventId=', '/api/sse?conversationId=', '/api/sse?ticket=',
    '/api/chat/conversations?limit=', '/api/chat/conversations?cursor=', `/api/chat/conversations/${conversationId}/messages?before=`, '/?']
  const shots = paths.flatMap(path => fillers.map((filler): [string, Shot] =>
    [`${path} ${filler}`, { method: 'GET', path: path + filled(filler, HEADER_MAX), headers }]))
  await compare(t, range, { method: 'GET', path: `/health/live?a=${filled('a', HEADER_MAX)}`, headers }, shots)
})

test('a body\'s field costs no more than its length, and so does a token\'s claim', async (t) => {
  const { range, alice, conversationId } = await scene(t)
  const headers = { authorization: `Bearer ${alice.token}`, 'content-type': 'application/json' }
  const fillers = [' ', '\n', '\u200b', '\u3164', '\u2028', '\u00a0', 'a', 'a ', '-', '_', '.', 'a.', '\u0000', '\u202e', '\ud800', '😀', 'eyJ', '\u0301', '{', '[', '"', '\\']
  const fields: Array<[method: string, path: string, field: string, most: number, rest: object]> = [
    ['POST', '/api/chat/messages', 'text', 4000, { conversationId }], ['POST', '/api/chat/messages', 'conversationId', 300, { text: 'x' }], ['POST', '/api/chat/messages', 'type', 32, { conversationId, text: 'x' }],
    ['POST', '/api/chat/messages', 'clientId', 64, { conversationId, text: 'x' }], ['POST', '/api/chat/conversations', 'title', 200, { type: 'group', participantIds: [] }], ['POST', '/api/chat/conversations', 'userId', 128, { type: 'direct' }],
    ['POST', '/api/auth/register', 'userId', 128, { password: 'short' }], ['POST', '/api/auth/register', 'displayName', 200, { userId: 'x', password: 'short' }], ['POST', '/api/auth/register', 'password', 7, { userId: 'x' }],
    ['POST', '/api/sse/tickets', 'conversationId', 300, {}], ['PUT', '/api/chat/status/online', 'isOnline', 10, {}], ['POST', '/api/chat/typing', 'conversationId', 300, { isTyping: true }]
  ]
  const shots = fields.flatMap(([method, path, field, most, rest]) => fillers.flatMap(filler => [most, BODY_MAX].map((length): [string, Shot] => {
    const value = filled(filler, length === BODY_MAX ? Math.floor(BODY_MAX / JSON.stringify(filler).length * filler.length) - 200 : length)
    return [`${path} ${field} ${JSON.stringify(filler)}`, { method, path, headers, body: JSON.stringify({ ...rest, [field]: value }) }]
  })))
  const lists = [Array.from({ length: 15_000 }, (_, n) => `${n % 10}`), Array.from({ length: 8000 }, (_, n) => `${n}`), Array.from({ length: 999 }, (_, n) => `nobody ${n}`), [['a'.repeat(BODY_MAX - 100)]], new Array(12_000).fill(null)]
  for (const participantIds of lists) {
    shots.push([`${participantIds.length} participants`, { method: 'POST', path: '/api/chat/conversations', headers, body: JSON.stringify({ type: 'group', participantIds }) }])
  }
  shots.push(['keys', { method: 'POST', path: '/api/chat/typing', headers, body: JSON.stringify(Object.fromEntries(Array.from({ length: 6000 }, (_, n) => [`k${n}`, n]))) }])
  shots.push(['suspicious keys', { method: 'POST', path: '/api/chat/typing', headers, body: `{"a":1${',"__proto__"   '.repeat(4000)}:1}` }])
  shots.push(['nested', { method: 'POST', path: '/api/chat/typing', headers, body: '['.repeat(30_000) + ']'.repeat(30_000) }])
  for (const claim of ['sub', 'name', 'picture', 'iss', 'nbf']) {
    for (const filler of fillers) {
      const value = filled(filler, Math.floor(9000 / Buffer.byteLength(JSON.stringify(filler)) * filler.length))
      shots.push([`claim ${claim} ${JSON.stringify(filler)}`, { method: 'GET', path: '/api/chat/me', headers: { authorization: `Bearer ${token({ sub: 'alice', [claim]: value })}` } }])
    }
  }
  await compare(t, range, { method: 'POST', path: '/api/chat/typing', headers, body: JSON.stringify({ conversationId: filled('a', BODY_MAX), isTyping: true }) }, shots)
})
