import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import Fastify, { type FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import { authPlugin } from '../../index.js'
import errorsPlugin from '../../plugins/errors.js'
import { build, buildListening, call, token, user, type Answer, type TokenOptions } from '../helper.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

interface Provider {
  url: string
  /** The ids of the keys that it publishes. */
  served: string[]
  /** What it responds with instead of keys. */
  answer: { status: number, body: string } | undefined
  fetches: number
  signed: (kid: string) => TokenOptions
  /** Resolves when it has received another request. */
  asked: () => Promise<unknown>
}

/** An identity provider with keys named one, two, three (EC), and weak (RSA of 1,024 bits). */
async function provide (t: Test): Promise<Provider> {
  const pairs = new Map<string, { publicKey: KeyObject, privateKey: KeyObject }>(['one', 'two', 'three'].map(kid => [kid, generateKeyPairSync('ec', { namedCurve: 'P-256' })]))
  pairs.set('weak', generateKeyPairSync('rsa', { modulusLength: 1024 }))
  pairs.set('rsa', generateKeyPairSync('rsa', { modulusLength: 2048 }))
  const algOf = (kid: string): string => ['weak', 'rsa'].includes(kid) ? 'RS256' : 'ES256'
  const server = createServer((_request, response) => {
    provider.fetches++
    const { status, body } = provider.answer ?? { status: 200, body: JSON.stringify({ keys: provider.served.map(kid => ({ ...pairs.get(kid)!.publicKey.export({ format: 'jwk' }), kid })) }) }
    response.writeHead(status, { 'content-type': 'application/json', ...(status === 302 ? { location: '/' } : {}), connection: 'close' }).end(body)
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const provider: Provider = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys?secret=s3cr3t`,
    served: ['one'],
    answer: undefined,
    fetches: 0,
    signed: kid => ({ alg: algOf(kid), key: pairs.get(kid)!.privateKey, header: { kid } }),
    asked: async () => await once(server, 'request')
  }
  return provider
}

/** Moves the monotonic clock without the timers, as after the machine has slept. */
function monotonic (t: Test): { pass: (ms: number) => void } {
  const { now } = performance
  let offset = 0
  performance.now = () => now.call(performance) + offset
  t.teardown(() => { performance.now = now })
  return { pass: ms => { offset += ms } }
}

/** The plugin alone, with a route that returns the caller. */
async function authenticating (
  t: Test, url: string, log?: Writable
): Promise<(provider: TokenOptions, claims?: Record<string, unknown>) => Promise<Answer>> {
  const app = Fastify(log === undefined ? {} : { logger: { level: 'trace', stream: log } })
  t.teardown(async () => { await app.close() })
  await app.register(errorsPlugin, { notFound: false })
  await app.register(authPlugin, { jwksUrl: url })
  app.get('/me', async request => await app.chatAuth.authenticate(request))
  await app.ready()
  return async (options, claims = {}) => await call(app, 'GET', '/me', { headers: { authorization: `Bearer ${token({ sub: 'alice', ...claims }, options)}` } })
}

const away = { status: 503, body: 'away' }

test('keys stay good while the provider is away, for a day', async t => {
  const clock = monotonic(t)
  const provider = await provide(t)
  const me = await authenticating(t, provider.url)
  t.equal((await me(provider.signed('one'))).status, 200)
  provider.answer = away
  for (const [hours, name] of [[0.2, 'twelve minutes'], [11, 'half a day'], [12, 'nearly a day']] as const) {
    clock.pass(hours * HOUR)
    t.equal((await me(provider.signed('one'), { name })).status, 200, `a fresh token, after ${name}`)
  }
  clock.pass(HOUR)
  const late = await me(provider.signed('one'), { name: 'fresh' })
  t.match(late, { status: 503, body: { code: 'UNAVAILABLE' } }, 'after more than a day')
  t.ok(Number(late.headers['retry-after']) > 0)
  t.equal((await me(provider.signed('one'), { name: 'nearly a day' })).status, 503, 'one that was verified before, too')
  provider.answer = undefined
  clock.pass(MINUTE)
  t.equal((await me(provider.signed('one'))).status, 200, 'it is back')
})

test('a key that was withdrawn is refused, also for tokens that were verified before', async t => {
  const clock = monotonic(t)
  const provider = await provide(t)
  provider.served = ['one', 'two']
  const me = await authenticating(t, provider.url)
  const before = { jti: 'the same token', exp: Math.floor(Date.now() / 1000) + 3000 }
  t.equal((await me(provider.signed('one'), before)).status, 200)
  provider.served = ['two']
  clock.pass(10 * MINUTE + 1)
  t.match(await me(provider.signed('one'), before), { status: 401, body: { code: 'UNAUTHORIZED' } })
  t.equal((await me(provider.signed('two'))).status, 200)
})

test('keys are fetched anew without being asked for', async t => {
  const clocks = { set: globalThis.setTimeout }
  t.teardown(() => { globalThis.setTimeout = clocks.set })
  const waits: number[] = []
  let ring = (): void => {}
  globalThis.setTimeout = Object.assign((callback: () => void, ms = 0) => {
    // Only the requests to the key provider count.
    if (ms !== 300_000) return clocks.set(callback, ms)
    waits.push(ms)
    ring = callback
    return clocks.set(() => {}, 0)
  }, clocks.set)
  const provider = await provide(t)
  const me = await authenticating(t, provider.url)
  t.equal((await me(provider.signed('one'))).status, 200)
  t.equal((await me(provider.signed('one'))).status, 200)
  t.equal(provider.fetches, 1)
  t.strictSame(waits, [300_000])
  provider.served = []
  const asked = provider.asked()
  ring()
  await asked
  while (waits.length < 2) await new Promise(resolve => setImmediate(resolve))
  t.equal((await me(provider.signed('one'))).status, 401, 'withdrawn')
})

test('a key that can\'t be looked up now is no final refusal', async t => {
  const clock = monotonic(t)
  const provider = await provide(t)
  const me = await authenticating(t, provider.url)
  t.equal((await me(provider.signed('one'))).status, 200)

  t.equal((await me(provider.signed('two'))).status, 401, 'it was asked for: nobody has it')
  const fetches = provider.fetches
  for (let i = 0; i < 5; i++) t.equal((await me(provider.signed('two'))).status, 401)
  provider.served = ['one', 'three']
  const cooling = await me(provider.signed('three'))
  t.match(cooling, { status: 503, body: { code: 'UNAVAILABLE' } }, 'within the cooldown')
  t.ok(Number(cooling.headers['retry-after']) > 0)
  t.equal(provider.fetches, fetches, 'the provider isn\'t asked for it')
  clock.pass(5001)
  t.equal((await me(provider.signed('three'))).status, 200)

  provider.answer = away
  clock.pass(5001)
  for (let i = 0; i < 3; i++) t.match(await me(provider.signed('two')), { status: 503, body: { code: 'UNAVAILABLE' } }, 'the provider is away')
  t.equal((await me(provider.signed('one'), { name: 'fresh' })).status, 200, 'what is known is good')
  provider.answer = undefined
  provider.served = ['two']
  clock.pass(5001)
  const many = await Promise.all(['two', 'two', 'two'].map(async kid => (await me(provider.signed(kid))).status))
  t.strictSame(many, [200, 200, 200], 'several at once')
})

test('what is never accepted asks for no key', async t => {
  const provider = await provide(t)
  const me = await authenticating(t, provider.url)
  t.equal((await me(provider.signed('one'))).status, 200)
  for (const alg of ['none', 'HS256', 'HS512']) t.equal((await me({ alg, header: { kid: 'other' } })).status, 401, alg)
  for (const kid of [7, null, {}, ['one'], true]) t.ok([401, 503].includes((await me({ ...provider.signed('one'), header: { kid } })).status), JSON.stringify(kid))
  t.ok(provider.fetches <= 2)
})

test('an RSA key below 2,048 bits is refused', async t => {
  const provider = await provide(t)
  provider.served = ['weak', 'rsa']
  const me = await authenticating(t, provider.url)
  t.equal((await me(provider.signed('rsa'))).status, 200)
  t.match(await me(provider.signed('weak')), { status: 401, body: { code: 'UNAUTHORIZED' } })
})

test('answers that are no keys are those of a provider that is away, and the log shows no secret', async t => {
  let log = ''
  const clock = monotonic(t)
  const provider = await provide(t)
  const me = await authenticating(t, provider.url, new Writable({ write (line, _encoding, done) { log += String(line); done() } }))
  t.equal((await me(provider.signed('one'))).status, 200)
  for (const [status, body] of [[200, '<html>'], [200, '{}'], [200, '{"keys":7}'], [200, '{"keys":["one"]}'], [200, 'null'], [200, ''], [200, ' '.repeat(2_000_000)], [404, '{"keys":[]}'], [302, ''], [500, 's3cr3t']] as const) {
    provider.answer = { status, body }
    clock.pass(11 * MINUTE)
    t.equal((await me(provider.signed('one'), { jti: `${status} ${body}` })).status, 200, `${status} ${body}`)
    clock.pass(5001)
    t.equal((await me(provider.signed('two'))).status, 503)
  }
  provider.answer = { status: 200, body: '{"keys":[]}' }
  clock.pass(11 * MINUTE)
  // The attempts in the background notice that the provider is back.
  for (let i = 0; i < 100 && (await me(provider.signed('two'))).status !== 401; i++) clock.pass(5001)
  clock.pass(5001)
  t.equal((await me(provider.signed('one'))).status, 401, 'no keys are an answer: all are withdrawn')
  t.match(log, 'the key provider is away')
  t.match(log, 'the key provider is back')
  for (const secret of ['s3cr3t', '/keys', token({ sub: 'alice' }, provider.signed('one')).split('.')[1]!]) t.notOk(log.includes(secret), secret)
})

test('an empty first answer is no key set', async t => {
  const provider = await provide(t)
  provider.answer = { status: 200, body: '' }
  const me = await authenticating(t, provider.url)
  t.match(await me(provider.signed('one')), { status: 503, body: { code: 'UNAVAILABLE' } }, 'the token may be good')
})

test('an entry that is no key does not spoil the others', async t => {
  const provider = await provide(t)
  const answer = await (await fetch(provider.url)).json() as { keys: object[] }
  provider.answer = { status: 200, body: JSON.stringify({ keys: [null, 'one', [], {}, { kty: 'unheard of', kid: 'one' }, ...answer.keys] }) }
  const me = await authenticating(t, provider.url)
  t.equal((await me(provider.signed('one'))).status, 200)
})

/** The chat with the keys of a provider that has become unavailable. */
async function withoutProvider (
  t: Test, make: (t: Test, options: { chat: { jwt: { jwksUrl: string } } }) => Promise<FastifyInstance>
): Promise<{ app: FastifyInstance, provider: Provider }> {
  const provider = await provide(t)
  const app = await make(t, { chat: { jwt: { jwksUrl: provider.url } } })
  await user(app, 'alice', {}, provider.signed('one')).arrive()
  provider.answer = away
  t.equal((await user(app, 'bob', {}, provider.signed('two')).call('GET', '/api/chat/me')).status, 503)
  return { app, provider }
}

test('readiness and metrics tell that the provider is away', async t => {
  const { app, provider } = await withoutProvider(t, build)
  const ready = await call(app, 'GET', '/health/ready')
  t.match(ready, { status: 200, body: { status: 'ready', checks: { keys: true }, keyProvider: { status: 'away', keysAgeSeconds: Number } } })
  const { body } = await call<string>(app, 'GET', '/metrics')
  t.match(body, /^chat_jwks_errors_total [1-9]/m)
  t.match(body, /^chat_jwks_age_seconds \d/m)

  const fresh = await build(t, { chat: { jwt: { jwksUrl: provider.url } } })
  t.equal((await user(fresh, 'alice', {}, provider.signed('one')).call('GET', '/api/chat/me')).status, 503)
  t.match(await call(fresh, 'GET', '/health/ready'), { status: 503, body: { checks: { keys: false }, keyProvider: { status: 'away', keysAgeSeconds: null } } }, 'without keys there is nothing to be ready for')

  t.notOk('keyProvider' in (await call(await build(t), 'GET', '/health/ready')).body)
})

test('a stream with a key that can\'t be looked up now is told to come back', async t => {
  const { app, provider } = await withoutProvider(t, buildListening)
  const stream = await user(app, 'bob', {}, provider.signed('two')).openStream(t)
  t.equal(stream.status, 200)
  t.match((await stream.next('disconnect')).data, { reason: 'unavailable', retryAfterMs: Number })
  await (await user(app, 'alice', {}, provider.signed('one')).stream(t)).close()
})
