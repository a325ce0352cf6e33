import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { JwtOptions } from '../../plugins/auth.js'
import { build, buildListening, call, SECRET, token, travel, user, type TokenOptions } from '../helper.js'

const seconds = (offset: number): number => Math.floor(Date.now() / 1000) + offset
const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString()

const me = async (
  app: FastifyInstance, claims: Record<string, unknown>, options?: TokenOptions
): Promise<{ status: number, body: Record<string, unknown> }> =>
  await call(app, 'GET', '/api/chat/me', { headers: { authorization: `Bearer ${token(claims, options)}` } })

await t.test('claims', async t => {
  const app = await build(t)

  await t.test('name and picture are taken over, and later tokens update them', async t => {
    t.match((await me(app, { sub: 'ann' })).body, { userId: 'ann', displayName: 'ann', avatar: null, isOnline: false, lastSeen: null })
    t.match((await me(app, { sub: 'ann', name: 'Ann', picture: 'https://x.example/a.png', iat: seconds(0) })).body, { displayName: 'Ann', avatar: 'https://x.example/a.png' })
    t.match((await me(app, { sub: 'ann', name: 'Ann B', picture: 'ftp://x.example/a.png', iat: seconds(0) })).body, { displayName: 'Ann B', avatar: null })
    t.match((await me(app, { sub: 'ann', name: 'Old Ann', iat: seconds(-1000) })).body, { displayName: 'Ann B' }, 'an older token tells older things')
  })

  await t.test('who is nobody', async t => {
    for (const sub of [undefined, '', '.', '..', 'x'.repeat(129), 'a\u0000b', 'a\nb', 'a\u0085b', '\ud800', 7, null]) {
      const { status, body } = await me(app, { sub })
      t.equal(status, 401, JSON.stringify(sub))
      t.equal(body.code, 'UNAUTHORIZED')
    }
    t.equal((await me(app, { sub: '🙂'.repeat(128) })).status, 200, 'characters are code points')
  })

  await t.test('exp is required, without leeway', async t => {
    t.equal((await me(app, { sub: 'ann', exp: undefined })).status, 401)
    t.equal((await me(app, { sub: 'ann', exp: 'tomorrow' })).status, 401)
    t.match(await me(app, { sub: 'ann', exp: seconds(-1) }), { status: 401, body: { code: 'TOKEN_EXPIRED' } })
    const clock = travel(t)
    const passing = token({ sub: 'ann', exp: seconds(10) })
    const ask = async (): Promise<number> => (await call(app, 'GET', '/api/chat/me', { headers: { authorization: `Bearer ${passing}` } })).status
    t.equal(await ask(), 200)
    await clock.advance(10_000)
    t.equal(await ask(), 401, 'a token that was verified before expires as well')
  })

  await t.test('nbf and iat have 5 s of leeway', async t => {
    for (const claim of ['nbf', 'iat']) {
      t.equal((await me(app, { sub: 'ann', [claim]: seconds(4) })).status, 200, `${claim} in 4 s`)
      t.match(await me(app, { sub: 'ann', [claim]: seconds(8) }), { status: 401, body: { code: 'UNAUTHORIZED' } }, `${claim} in 8 s`)
      t.equal((await me(app, { sub: 'ann', [claim]: seconds(-1e6) })).status, 200)
    }
    t.match(await me(app, { sub: 'ann', exp: seconds(-1), nbf: seconds(-10) }), { status: 401, body: { code: 'TOKEN_EXPIRED' } }, 'exp has none')
  })

  await t.test('absurd claims are refused, or taken for what they mean', async t => {
    // JSON has numbers that are infinite in JavaScript.
    const raw = (claims: string): string => {
      const [header] = token({ sub: 'ann' }).split('.')
      const content = `${header}.${Buffer.from(claims).toString('base64url')}`
      return `${content}.${createHmac('sha256', SECRET).update(content).digest('base64url')}`
    }
    const exp = seconds(1000)
    for (const claims of ['"iat":1e300', '"iat":1e400', '"iat":-1e400', '"iat":"1"', '"iat":null', '"iat":true', '"iat":[1]', '"iat":{}', '"nbf":1e300', '"nbf":1e400', '"nbf":"1"', '"nbf":null',
      '"exp":-1e300', '"exp":1e400', '"exp":-1e400', '"exp":"1e300"', '"exp":null', '"exp":[9999999999]', '"exp":0']) {
      const { status, body } = await call<{ code: string }>(app, 'GET', '/api/chat/me', { headers: { authorization: `Bearer ${raw(`{"sub":"ann",${claims.startsWith('"exp"') ? '' : `"exp":${exp},`}${claims}}`)}` } })
      t.equal(status, 401, claims)
      t.match(body.code, /^(UNAUTHORIZED|TOKEN_EXPIRED)$/, claims)
    }
    for (const claims of ['"iat":-1e300', '"iat":-1', '"iat":0', '"iat":1.5', '"nbf":-1e300', '"exp":1e300', '"exp":8.64e12']) {
      const name = `"name":${JSON.stringify(claims)}`
      const { status } = await call(app, 'GET', '/api/chat/me', { headers: { authorization: `Bearer ${raw(`{"sub":"absurd",${claims.startsWith('"exp"') ? '' : `"exp":${exp},`}${claims},${name}}`)}` } })
      t.equal(status, 200, claims)
    }
    for (const claims of ['[]', '7', 'null', '"text"', '{"sub":"ann","sub":".","exp":9999999999}', '{"sub":["ann"],"exp":9999999999}', '{"sub":{"a":1},"exp":9999999999}']) {
      t.equal((await call(app, 'GET', '/api/chat/me', { headers: { authorization: `Bearer ${raw(claims)}` } })).status, 401, claims)
    }
  })

  await t.test('no token, or something else', async t => {
    for (const authorization of [undefined, '', 'Bearer', 'Bearer x', `Basic ${token({ sub: 'ann' })}`, token({ sub: 'ann' }), `Bearer ${token({ sub: 'ann' })}x`, 'Bearer a.b.c', `Bearer ${token({ sub: 'ann' })} more`]) {
      const { status, body, headers } = await call(app, 'GET', '/api/chat/me', authorization === undefined ? {} : { headers: { authorization } })
      t.equal(status, 401, String(authorization).slice(0, 12))
      t.strictSame(Object.keys(body as object), ['statusCode', 'code', 'error', 'message'])
      t.equal(headers['www-authenticate'], 'Bearer')
    }
    t.equal((await call(app, 'GET', `/api/chat/me?token=${token({ sub: 'ann' })}`)).status, 401, 'only the stream takes a token in the query')
  })
})

await t.test('algorithms are pinned by what is configured', async t => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ed = generateKeyPairSync('ed25519')

  await t.test('a secret: HS256 only', async t => {
    const app = await build(t)
    t.equal((await me(app, { sub: 'a' })).status, 200)
    for (const alg of ['none', 'HS384', 'HS512']) t.equal((await me(app, { sub: 'a' }, { alg })).status, 401, alg)
    t.equal((await me(app, { sub: 'a' }, { alg: 'RS256', key: rsa.privateKey })).status, 401)
    t.equal((await me(app, { sub: 'a' }, { key: 'another secret, also of 32 bytes or more' })).status, 401)
  })

  for (const [alg, { publicKey, privateKey }] of [['RS256', rsa], ['ES256', ec], ['EdDSA', ed]] as const) {
    await t.test(`a public key: ${alg}`, async t => {
      for (const text of [pem(publicKey), pem(publicKey).replaceAll('\n', '\\n')]) {
        const app = await build(t, { chat: { jwt: { publicKey: text } } })
        t.equal((await me(app, { sub: 'a' }, { alg, key: privateKey })).status, 200)
        t.equal((await me(app, { sub: 'a' }, { alg: 'none' })).status, 401, 'none')
        t.equal((await me(app, { sub: 'a' })).status, 401, 'HS256 with a secret')
        t.equal((await me(app, { sub: 'a' }, { key: pem(publicKey) })).status, 401, 'HS256 with the public key as the secret')
        t.equal((await me(app, { sub: 'a' }, { alg: 'RS384', key: rsa.privateKey })).status, 401)
        t.equal((await call(app, 'POST', '/api/auth/login', { payload: {} })).status, 404, 'accounts are off')
      }
    })
  }

  await t.test('issuer and audience', async t => {
    const jwt: JwtOptions = { secret: SECRET, issuer: 'https://id.example', audience: 'chat' }
    const app = await build(t, { chat: { jwt, accounts: true } })
    t.equal((await me(app, { sub: 'a', iss: jwt.issuer, aud: 'chat' })).status, 200)
    t.equal((await me(app, { sub: 'a', iss: jwt.issuer, aud: ['other', 'chat'] })).status, 200)
    t.equal((await me(app, { sub: 'a', iss: jwt.issuer, aud: 'other' })).status, 401)
    t.equal((await me(app, { sub: 'a', iss: 'https://evil.example', aud: 'chat' })).status, 401)
    t.equal((await me(app, { sub: 'a', iss: jwt.issuer })).status, 401)
    const { body } = await call<{ token: string }>(app, 'POST', '/api/auth/register', { payload: { userId: 'own', password: 'password' } })
    t.equal((await call(app, 'GET', '/api/chat/me', { headers: { authorization: `Bearer ${body.token}` } })).status, 200, 'its own tokens fit')
  })
})

await t.test('keys of an identity provider', async t => {
  const keys = new Map(['one', 'two'].map(kid => [kid, generateKeyPairSync('ec', { namedCurve: 'P-256' })]))
  const ed = generateKeyPairSync('ed25519')
  let served = ['one']
  let up = true
  let fetches = 0
  const provider = createServer((_request, response) => {
    fetches++
    if (!up) return response.writeHead(500).end()
    const jwks = served.map(kid => ({ ...(keys.get(kid) ?? ed).publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: keys.has(kid) ? 'ES256' : 'EdDSA' }))
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: jwks }))
  }).listen(0, '127.0.0.1')
  t.teardown(() => provider.close())
  await new Promise(resolve => provider.once('listening', resolve))
  const jwksUrl = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/keys?tenant=1`
  const app = await build(t, { chat: { jwt: { jwksUrl } } })
  const signed = (kid: string, alg = 'ES256'): TokenOptions => ({ alg, key: (keys.get(kid) ?? ed).privateKey, header: { kid } })

  t.equal((await me(app, { sub: 'a' }, signed('one'))).status, 200)
  t.equal((await me(app, { sub: 'b' }, signed('one'))).status, 200)
  t.equal(fetches, 1, 'the keys are remembered')
  t.equal((await me(app, { sub: 'a' })).status, 401, 'HS256')
  t.equal((await me(app, { sub: 'a' }, { alg: 'none', header: { kid: 'one' } })).status, 401, 'none')
  for (let i = 0; i < 5; i++) t.equal((await me(app, { sub: 'a' }, signed('two'))).status, 401, 'an unknown key')
  t.ok(fetches <= 2, 'unknown keys don\'t hammer the provider')

  served = ['two', 'ed']
  const clock = travel(t)
  await clock.advance(6000)
  t.equal((await me(app, { sub: 'a' }, signed('two'))).status, 200, 'a new key is fetched')
  t.equal((await me(app, { sub: 'e' }, signed('ed', 'EdDSA'))).status, 200, 'EdDSA')

  up = false
  const fresh = await build(t, { chat: { jwt: { jwksUrl } } })
  const { status, body, headers } = await call<{ code: string }>(fresh, 'GET', '/api/chat/me', { headers: { authorization: `Bearer ${token({ sub: 'a' }, signed('two'))}` } })
  t.equal(status, 503, 'the provider is away: nobody is refused for it')
  t.equal(body.code, 'UNAVAILABLE')
  t.ok(Number(headers['retry-after']) > 0)
})

await t.test('the stream takes a token in the query, and the header counts', async t => {
  const lines: string[] = []
  const log = new Writable({ write (line, _encoding, done) { lines.push(String(line)); done() } })
  const app = await buildListening(t, { log })
  const [alice, bob] = [await user(app, 'alice').arrive(), await user(app, 'bob').arrive()]
  const open = async (query: Record<string, string>, headers: Record<string, string>): Promise<{ status: number, userId?: unknown }> => {
    const nobody = user(app, 'nobody')
    nobody.token = ''
    const reader = await nobody.openStream(t, query, headers)
    return { status: reader.status, ...(reader.status === 200 ? { userId: (await reader.next('connected')).data.userId } : {}) }
  }
  t.match(await open({ token: alice.token }, { authorization: '' }), { status: 200, userId: 'alice' })
  t.match(await open({ token: alice.token }, { authorization: `Bearer ${bob.token}` }), { status: 200, userId: 'bob' })
  t.match(await open({ token: alice.token }, { authorization: 'Bearer bad' }), { status: 401 })
  t.match(await open({ token: 'bad' }, { authorization: '' }), { status: 401 })
  t.match(await open({}, { authorization: '' }), { status: 401 })

  const metrics = await app.inject('/metrics')
  for (const secret of [alice.token, bob.token, alice.token.split('.')[2]!]) {
    t.notOk(lines.join('').includes(secret), 'no token in the log')
    t.notOk(metrics.payload.includes(secret), 'nor in the metrics')
  }
  t.ok(lines.length > 3)
})

await t.test('accounts', async t => {
  const app = await build(t, { chat: { accounts: true } })
  const register = async (payload: object): Promise<{ status: number, body: Record<string, unknown> }> => await call(app, 'POST', '/api/auth/register', { payload })
  const login = async (userId: string, password: string, address = '127.0.0.1'): Promise<Awaited<ReturnType<typeof call<Record<string, unknown>>>>> => {
    const { statusCode, headers, payload } = await app.inject({ method: 'POST', url: '/api/auth/login', payload: { userId, password }, remoteAddress: address })
    return { status: statusCode, headers, body: JSON.parse(payload) as Record<string, unknown> }
  }

  const made = await register({ userId: 'alice', password: 'correct horse', displayName: 'Alice' })
  t.equal(made.status, 201)
  t.match(made.body, { token: String, expiresAt: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, user: { userId: 'alice', displayName: 'Alice', avatar: null } })
  const asAlice = { headers: { authorization: `Bearer ${String(made.body.token)}` } }
  t.match((await call(app, 'GET', '/api/chat/me', asAlice)).body, { userId: 'alice', displayName: 'Alice' })

  t.match(await register({ userId: 'alice', password: 'other password' }), { status: 409, body: { code: 'USER_EXISTS' } })
  await user(app, 'by-token').arrive()
  t.match(await register({ userId: 'by-token', password: 'other password' }), { status: 409, body: { code: 'USER_EXISTS' } })
  const both = await Promise.all([register({ userId: 'twin', password: 'password one' }), register({ userId: 'twin', password: 'password two' })])
  t.strictSame(both.map(({ status }) => status).sort(), [201, 409], 'two at the same moment')

  for (const body of [{ userId: 'x', password: '1234567' }, { userId: 'x', password: 'p'.repeat(129) }, { userId: '', password: 'password' }, { userId: 'a\u0001', password: 'password' },
    { userId: 'x'.repeat(129), password: 'password' }, { userId: 'x', password: 12345678 }, { password: 'password' }, {}]) {
    t.match(await register(body), { status: 400, body: { code: 'VALIDATION_FAILED' } }, JSON.stringify(body).slice(0, 40))
  }

  t.match(await login('alice', 'correct horse'), { status: 200, body: { user: { userId: 'alice' }, token: String } })
  const wrong = await login('alice', 'wrong horse')
  const unknown = await login('nobody at all', 'wrong horse')
  t.equal(wrong.status, 401)
  t.strictSame(wrong.body, unknown.body, 'nothing tells a wrong password from an unknown user')
  t.strictSame((await login('by-token', 'wrong horse')).body, unknown.body)

  for (let failures = 1; failures < 10; failures++) t.equal((await login('alice', 'wrong horse')).status, 401)
  const limited = await login('alice', 'correct horse')
  t.equal(limited.status, 429, 'even with the right password')
  t.equal(limited.body.code, 'TOO_MANY_FAILURES')
  t.ok(Number(limited.headers['retry-after']) >= 1 && Number(limited.headers['retry-after']) <= 60)
  t.equal((await login('alice', 'correct horse', '127.0.0.2')).status, 200, 'another address is another one')
  t.equal((await login('twin', 'password zero')).status, 401, 'another id, too')
  const clock = travel(t)
  await clock.advance(61_000)
  t.equal((await login('alice', 'correct horse')).status, 200, 'after a minute it is over')
})
