import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { Writable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { test } from 'tap'
import { cheapPasswords, verifiedHashes } from '../cheap-passwords.js'
import { baseUrl, build, buildListening, call, travel, type Answer } from '../helper.js'

type Path = 'register' | 'login'

/** Registers or logs in from an address. */
async function ask (app: FastifyInstance, path: Path, payload: object, remoteAddress = '192.0.2.1'): Promise<Answer> {
  const { statusCode, headers, payload: text } = await app.inject({ method: 'POST', url: `/api/auth/${path}`, payload, remoteAddress })
  return { status: statusCode, headers, body: JSON.parse(text) as Answer['body'] }
}

/** Holds back the database's answers until it is opened. */
function gate (app: FastifyInstance): { open: () => void } {
  const { read, prisma } = app.chatDatabase
  const { query } = read
  let open = (): void => {}
  const opened = new Promise<void>(resolve => { open = resolve })
  read.query = async (sql, ...params) => {
    await opened
    return await query(sql, ...params)
  }
  type Model = Record<string, (args: unknown) => Promise<unknown>>
  const waiting = (model: Model): Model => new Proxy(model, {
    get: (target, operation: string) => async (args: unknown) => {
      await opened
      return await target[operation]!(args)
    }
  })
  const models = prisma as unknown as Record<string, Model>
  Object.assign(app.chatDatabase, { prisma: new Proxy(models, { get: (target, name: string) => waiting(target[name]!) }) })
  return {
    open () {
      read.query = query
      Object.assign(app.chatDatabase, { prisma })
      open()
    }
  }
}

test('many guesses at once are no more guesses', async (t) => {
  cheapPasswords(t)
  const app = await build(t, { chat: { accounts: true } })
  const log = async (password: string) => await call(app, 'POST', '/api/auth/login', { payload: { userId: 'alice', password } })
  await call(app, 'POST', '/api/auth/register', { payload: { userId: 'alice', password: 'correct horse' } })
  const right = await Promise.all(Array.from({ length: 12 }, async () => await log('correct horse')))
  t.ok(right.every(({ status }) => status === 200), 'many at once with the right password are none')
  const answers = await Promise.all(Array.from({ length: 20 }, async (_, index) => await log(`guess number ${index}`)))
  t.equal(answers.filter(({ status }) => status === 401).length, 10)
  t.equal(answers.filter(({ status, body }) => status === 429 && body.code === 'TOO_MANY_FAILURES').length, 10)
})

test('without accounts there is no register and no login', async (t) => {
  const app = await build(t)
  for (const path of ['register', 'login']) {
    t.match(await call(app, 'POST', `/api/auth/${path}`, { payload: { userId: 'alice', password: 'correct horse' } }), { status: 404, body: { code: 'NOT_FOUND' } })
  }
})

test('guesses are counted by id, from wherever they come', async t => {
  cheapPasswords(t)
  const app = await build(t, { chat: { accounts: true } })
  for (const userId of ['alice', 'bob']) await ask(app, 'register', { userId, password: 'correct horse' })
  for (let guess = 0; guess < 50; guess++) {
    t.equal((await ask(app, 'login', { userId: 'alice', password: `my guess ${guess}` }, `198.51.100.${Math.floor(guess / 9)}`)).status, 401)
  }
  const { status, body, headers } = await ask(app, 'login', { userId: 'alice', password: 'correct horse' }, '203.0.113.9')
  t.match({ status, code: body.code }, { status: 429, code: 'TOO_MANY_FAILURES' })
  t.ok(Number(headers['retry-after']) >= 1 && Number(headers['retry-after']) <= 60)
  t.equal((await ask(app, 'login', { userId: 'bob', password: 'correct horse' }, '198.51.100.1')).status, 200, 'somebody else isn\'t held up')
  const clock = travel(t)
  await clock.advance(61_000)
  t.equal((await ask(app, 'login', { userId: 'alice', password: 'correct horse' }, '203.0.113.9')).status, 200, 'after a minute it is over')
})

test('guesses are counted by address: an IPv6 address by its /64, a mapped one as IPv4', async t => {
  cheapPasswords(t)
  const app = await build(t, { chat: { accounts: true } })
  await ask(app, 'register', { userId: 'alice', password: 'correct horse' })
  const guess = async (number: number, address: string) => (await ask(app, 'login', { userId: `nobody ${number}`, password: 'wrong horse' }, address)).status
  const right = async (address: string) => (await ask(app, 'login', { userId: 'alice', password: 'correct horse' }, address)).status
  for (let number = 0; number < 50; number++) {
    t.equal(await guess(number, number % 2 === 0 ? '198.51.100.7' : '::ffff:198.51.100.7'), 401)
    t.equal(await guess(number, `2001:db8:0:1::${number.toString(16)}`), 401)
  }
  for (const address of ['198.51.100.7', '::ffff:c633:6407', '2001:db8:0:1:ffff::1']) t.equal(await right(address), 429, address)
  for (const address of ['198.51.100.8', '2001:db8:0:2::1']) t.equal(await right(address), 200, address)
})

test('10 failures for one id and the addresses of one /64', async t => {
  cheapPasswords(t)
  const app = await build(t, { chat: { accounts: true } })
  const guess = async (number: number, address: string) => (await ask(app, 'login', { userId: 'alice', password: `wrong horse ${number}` }, address)).status
  for (let number = 0; number < 10; number++) t.equal(await guess(number, `2001:db8:0:1::${number}`), 401)
  t.equal(await guess(11, '2001:db8:0:1::ffff'), 429)
  t.equal(await guess(12, '2001:db8:0:2::1'), 401)
})

test('one address has its turn, however many logins another one sends; the queue is bounded', async t => {
  const app = await build(t, { chat: { accounts: true } })
  await ask(app, 'register', { userId: 'alice', password: 'correct horse' })
  const database = gate(app)
  const done: string[] = []
  const login = async (name: string, address: string, body: object): Promise<Answer> => {
    const answer = await ask(app, 'login', body, address)
    done.push(`${name} ${answer.status}`)
    return answer
  }
  const flood = Array.from({ length: 300 }, async (_, index) => await login('flood', '198.51.100.7', { userId: `nobody ${index}`, password: 'wrong horse' }))
  // Calls beyond the limit are refused before any of the others is answered.
  const refused = await Promise.race(flood)
  t.match(refused, { status: 503, body: { statusCode: 503, code: 'UNAVAILABLE', error: String, message: String } })
  t.ok(Number(refused.headers['retry-after']) > 0)
  const right = login('right', '203.0.113.9', { userId: 'alice', password: 'correct horse' })
  const made = ask(app, 'register', { userId: 'carol', password: 'correct horse' }, '203.0.113.10').then(answer => { done.push(`made ${answer.status}`) })
  while (done.length < 45) await new Promise(resolve => setImmediate(resolve))
  database.open()
  await Promise.all([right, made])
  const answered = done.filter(name => name !== 'flood 503')
  t.match(answered.slice(0, 6).sort(), ['made 201', 'right 200'].concat(answered.slice(0, 6).filter(name => name.startsWith('flood'))).sort())
  const statuses = (await Promise.all(flood)).map(({ status }) => status)
  const count = (status: number): number => statuses.filter(each => each === status).length
  t.strictSame([401, 429].map(count), [50, statuses.length - 50 - count(503)], 'guesses of one address are 50')
  t.ok(count(503) >= 40)
})

test('who has gone is dropped from the queue, and was no guess', async t => {
  cheapPasswords(t)
  const app = await buildListening(t, { chat: { accounts: true } })
  await ask(app, 'register', { userId: 'alice', password: 'correct horse' }, '127.0.0.1')
  let arrived = 0
  let left = 0
  app.server.on('request', (_request, response) => {
    arrived++
    response.once('close', () => { left++ })
  })
  const database = gate(app)
  const sockets = Array.from({ length: 100 }, (_, index) => {
    const request = httpRequest(`${baseUrl(app)}/api/auth/login`, { method: 'POST', agent: false, headers: { 'content-type': 'application/json' } })
    request.on('error', () => {})
    request.end(JSON.stringify({ userId: `nobody ${index}`, password: 'wrong horse' }))
    return request
  })
  while (arrived < sockets.length) await once(app.server, 'request')
  // The bodies are read, and all of them wait.
  for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve))
  for (const socket of sockets) socket.destroy()
  while (left < sockets.length) await new Promise(resolve => setImmediate(resolve))
  database.open()
  t.equal((await ask(app, 'login', { userId: 'alice', password: 'correct horse' }, '127.0.0.1')).status, 200)
  const [row] = await app.chatDatabase.read.query<{ count: number | bigint | null }>('SELECT max(count) AS count FROM chat_counters')
  t.ok(Number(row!.count) <= 2, 'only what was being hashed has counted')
})

test('passwords are compared after NFKC', async t => {
  const app = await build(t, { chat: { accounts: true } })
  await ask(app, 'register', { userId: 'alice', password: '\ufb01sh and chips' })
  t.equal((await ask(app, 'login', { userId: 'alice', password: 'fish and chips' })).status, 200)
  await ask(app, 'register', { userId: 'bob', password: 'caf\u00e9 and tea' })
  t.equal((await ask(app, 'login', { userId: 'bob', password: 'cafe\u0301 and tea' })).status, 200)
  t.equal((await ask(app, 'login', { userId: 'bob', password: 'cafe and tea' })).status, 401)
})

test('hashing costs what it should, of an unknown user, too', async t => {
  const verified = verifiedHashes(t)
  const app = await build(t, { chat: { accounts: true } })
  await ask(app, 'register', { userId: 'alice', password: 'correct horse' })
  t.equal((await ask(app, 'login', { userId: 'alice', password: 'correct horse' })).status, 200)
  t.equal((await ask(app, 'login', { userId: 'nobody', password: 'correct horse' })).status, 401)
  // OWASP's recommendation: 19 MiB, two passes, one lane.
  t.match(verified, [/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/])
  t.equal(new Set(verified).size, 2)
  t.equal(new Set(verified.map(hash => hash.length)).size, 1)
})

test('hashes of earlier versions stay good', async t => {
  const app = await build(t, { chat: { accounts: true } })
  // Made by the package argon2 0.45, which orders the parameters in this way.
  const hashes = {
    new: ['correct horse', '$argon2id$v=19$m=19456,p=1,t=2$/7qxUUiZhyJwYrmAxIojQA$gtHG0XCe9dl+bczStjIXZ1LjhMV05FXUNvuM3LuJd+g'],
    old: ['correct horse', '$argon2id$v=19$m=19456,t=2,p=1$/7qxUUiZhyJwYrmAxIojQA$gtHG0XCe9dl+bczStjIXZ1LjhMV05FXUNvuM3LuJd+g'],
    raw: ['\uff21lice \ufb01sh', '$argon2id$v=19$m=19456,p=1,t=2$YqSTXZSEXVBKjzwx1M4GVw$6+3GQml3s7dlPFxn6zYSXcb5Jgx52GYRJkD32nVtFPU']
  } as const
  for (const [userId, [password, hash]] of Object.entries(hashes)) {
    await ask(app, 'register', { userId, password: 'another password' })
    await app.chatDatabase.transaction(async sql => await sql.execute('UPDATE chat_users SET password_hash = ? WHERE id = ?', hash, userId))
    t.equal((await ask(app, 'login', { userId, password })).status, 200, userId)
    t.equal((await ask(app, 'login', { userId, password: 'another password' })).status, 401, userId)
  }
})

test('no password shows in the log, an answer or the metrics', async t => {
  cheapPasswords(t)
  let log = ''
  const app = await build(t, { chat: { accounts: true }, log: new Writable({ write (line, _encoding, done) { log += String(line); done() } }) })
  const secrets = ['correct-horse-1', 'wrong-horse-2', 'short-3', 'broken-4']
  const seen = [
    await ask(app, 'register', { userId: 'alice', password: secrets[0] }),
    await ask(app, 'register', { userId: 'alice', password: secrets[0] }),
    await ask(app, 'login', { userId: 'alice', password: secrets[0] }),
    await ask(app, 'login', { userId: 'alice', password: secrets[1] }),
    await ask(app, 'login', { userId: 'alice', password: { text: secrets[2] } }),
    await ask(app, 'login', { userId: `${secrets[2]}\u0000`, password: secrets[2] })
  ]
  await app.inject({ method: 'POST', url: '/api/auth/login', headers: { 'content-type': 'application/json' }, payload: `{"userId":"alice","password":"${secrets[3]}` })
  const database = gate(app)
  await Promise.all([...Array.from({ length: 260 }, async () => await ask(app, 'login', { userId: 'alice', password: secrets[1] })), new Promise<void>(resolve => {
    setImmediate(() => { database.open(); resolve() })
  })])
  const all = [log, (await app.inject('/metrics')).payload, ...seen.map(({ body }) => JSON.stringify(body))].join('\n')
  t.match(log, 'incoming request')
  for (const secret of secrets) t.notOk(all.includes(secret), secret)
  t.notOk(all.includes('$argon2'))
})
