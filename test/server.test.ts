import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import t, { type Test } from 'tap'
import type { Message } from '../schemas/messages.js'
import { openEvents } from './event-reader.js'
import { SECRET, token } from './helper.js'
import { quickServerCommand } from './chaos/server-process.js'

interface Run { code: number | null, stdout: string, stderr: string }

/** The server as a program, in a folder of its own. */
function launch (folder: string, env: Record<string, string>): { child: ReturnType<typeof spawn>, origin: Promise<string>, ended: Promise<Run> } {
  const child = spawn(process.execPath, quickServerCommand(), { cwd: folder, env: { PATH: process.env.PATH, PORT: '0', LOG_LEVEL: 'warn', ...env } })
  const output = { stdout: '', stderr: '' }
  let found: (origin: string) => void
  const origin = new Promise<string>(resolve => { found = resolve })
  child.stdout.on('data', chunk => {
    output.stdout += String(chunk)
    const match = /listens on (http:\/\/\S+)/.exec(output.stdout)
    if (match !== null) found(match[1]!)
  })
  child.stderr.on('data', chunk => { output.stderr += String(chunk) })
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...output }))
  return { child, origin, ended }
}

function temporary (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'chat-server-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

async function start (
  t: Test, folder: string, env: Record<string, string> = {}
): Promise<{ origin: string, stop: (signal?: NodeJS.Signals) => Promise<Run> }> {
  const { child, origin, ended } = launch(folder, env)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const address = await Promise.race([origin, ended.then(({ stderr }) => { throw new Error(stderr) })])
  return {
    origin: address,
    async stop (signal = 'SIGTERM') {
      child.kill(signal)
      return await ended
    }
  }
}

const alice = { authorization: `Bearer ${token({ sub: 'alice' })}`, 'content-type': 'application/json' }
const bob = { authorization: `Bearer ${token({ sub: 'bob' })}`, 'content-type': 'application/json' }

async function converse (origin: string): Promise<string> {
  await fetch(`${origin}/api/chat/me`, { headers: bob })
  const made = await fetch(`${origin}/api/chat/conversations`, { method: 'POST', headers: alice, body: JSON.stringify({ type: 'direct', userId: 'bob' }) })
  return (await made.json() as { id: string }).id
}

async function say (origin: string, conversationId: string, text: string): Promise<Message> {
  const answer = await fetch(`${origin}/api/chat/messages`, { method: 'POST', headers: alice, body: JSON.stringify({ conversationId, text }) })
  return await answer.json() as Message
}

const noTerminal = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0 ? false : 'there is no script(1) that makes a terminal'

await t.test('on a terminal, requests do not bury the address', { skip: noTerminal }, async t => {
  for (const [env, logged] of [[{}, false], [{ LOG_LEVEL: 'info' }, true]] as const) {
    const command = [process.execPath, ...quickServerCommand()].map(part => `'${part}'`).join(' ')
    const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: temporary(t), env: { PATH: process.env.PATH, PORT: '0', ...env } })
    t.teardown(() => { child.kill('SIGKILL') })
    let output = ''
    const origin = await new Promise<string>((resolve, reject) => {
      child.stdout.on('data', chunk => {
        output += String(chunk)
        const match = /listens on (http:\/\/[\w.:]+)/.exec(output)
        if (match !== null) resolve(match[1]!)
      })
      child.once('exit', () => { reject(new Error(output)) })
    })
    for (const path of ['/', '/api/chat/me', '/api/openapi.json']) await (await fetch(`${origin}${path}`)).arrayBuffer()
    const ended = once(child, 'close')
    child.stdin.write('\x03') // Ctrl-C
    await ended
    t.match(output, /SIGINT: shutting down/)
    t.equal(/incoming request|request completed/.test(output), logged)
  }
})

await t.test('bad values stop the start with one line that names the variable', async t => {
  const cases: Array<[Record<string, string>, RegExp]> = [
    [{ DATABASE_URL: 'mysql://root:pass-word@h/db' }, /^DATABASE_URL must be/],
    [{ JWT_SECRET: 'this-is-short' }, /^JWT_SECRET must be 32 bytes or more$/],
    [{ NODE_ENV: 'production' }, /^JWT_SECRET must be set in production/],
    [{ HOST: '203.0.113.7' }, /^HOST must be/]
  ]
  await Promise.all(cases.map(async ([env, message]) => {
    const { code, stderr } = await launch(temporary(t), env).ended
    t.equal(code, 1, JSON.stringify(env))
    t.match(stderr.trim(), message)
    t.equal(stderr.trim().split('\n').length, 1, 'one line, no stack')
    t.notMatch(stderr, /this-is-short|pass-word/, 'no secret')
  }))
})

await t.test('a database that can\'t be opened, or is of a newer version, stops the start with one line', async t => {
  const folder = temporary(t)
  writeFileSync(join(folder, 'text.db'), 'this is no database, and long enough to be looked at as if it were one. '.repeat(50))
  mkdirSync(join(folder, 'folder.db'))
  const first = await start(t, folder, { JWT_SECRET: SECRET, DATABASE_URL: 'file:newer.db' })
  await first.stop()
  const database = new Database(join(folder, 'newer.db'))
  database.exec('INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count) VALUES (\'x\', \'x\', \'29991231000000_later\', 1, 1, 1)')
  database.close()
  for (const [file, message] of [['text.db', /database/i], ['folder.db', /database/i], ['newer.db', /newer/i]] as const) {
    const { code, stderr } = await launch(folder, { JWT_SECRET: SECRET, DATABASE_URL: `file:${file}` }).ended
    t.equal(code, 1, file)
    t.match(stderr.trim(), message)
    t.equal(stderr.trim().split('\n').length, 1, stderr)
  }
})

await t.test('a port in use', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { code, stderr } = await launch(temporary(t), { PORT: String((server.address() as AddressInfo).port) }).ended
  t.equal(code, 1)
  t.match(stderr.trim(), /^PORT must be a free port/)
  t.equal(stderr.trim().split('\n').length, 1)
})

await t.test('with nothing configured it makes its database and its secret, once', async t => {
  const folder = temporary(t)
  const both = await Promise.all([start(t, folder), start(t, folder)])
  t.equal(statSync(join(folder, 'data', 'chat.db')).isFile(), true)
  const secret = readFileSync(join(folder, 'data', 'jwt-secret'), 'utf8')
  t.equal(statSync(join(folder, 'data', 'jwt-secret')).mode & 0o077, 0, 'for its user only')
  const session = async (origin: string, path: string): Promise<{ token: string }> => {
    const answer = await fetch(`${origin}/api/auth/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ userId: 'ann', password: 'correct horse' }) })
    return await answer.json() as { token: string }
  }
  const { token: own } = await session(both[0].origin, 'register')
  const me = async (origin: string): Promise<number> => (await fetch(`${origin}/api/chat/me`, { headers: { authorization: `Bearer ${own}` } })).status
  t.equal(await me(both[1].origin), 200, 'two that start at once share the secret')
  for (const { stop } of both) t.equal((await stop()).code, 0)
  const again = await start(t, folder)
  t.equal(await me(again.origin), 200, 'a token outlives a restart')
  t.equal(readFileSync(join(folder, 'data', 'jwt-secret'), 'utf8'), secret)
  const { stdout } = await again.stop('SIGINT')
  t.match(stdout, '/api/auth/register', 'it says what to try first')
})

await t.test('two processes on one file see each other\'s events, and number without a hole', async t => {
  const folder = temporary(t)
  const env = { JWT_SECRET: SECRET }
  const [one, two] = await Promise.all([start(t, folder, env), start(t, folder, env)])
  const conversationId = await converse(one.origin)
  const streams = await Promise.all([one, two].map(async ({ origin }) => await openEvents(t, `${origin}/api/sse?conversationId=${conversationId}`, bob)))
  for (const stream of streams) await stream.next('connected')
  const sent = await Promise.all(
    Array.from({ length: 40 }, async (_, n) => await say(n % 2 === 0 ? one.origin : two.origin, conversationId, String(n)))
  )
  t.strictSame(sent.map(({ seq }) => seq).sort((a, b) => a - b), Array.from({ length: 40 }, (_, n) => n + 1))
  for (const stream of streams) {
    const events = await stream.take(40)
    t.strictSame(events.map(({ data }) => data.seq), Array.from({ length: 40 }, (_, n) => n + 1), 'in commit order')
  }
})

await t.test('SIGTERM: streams are told, requests in flight finish, and it is gone with 0', async t => {
  const folder = temporary(t)
  const server = await start(t, folder, { JWT_SECRET: SECRET })
  const conversationId = await converse(server.origin)
  const streams = await Promise.all(Array.from({ length: 5 }, async () => await openEvents(t, `${server.origin}/api/sse`, bob)))
  for (const stream of streams) await stream.next('connected')

  // A request whose body is still arriving.
  const { hostname, port } = new URL(server.origin)
  const socket = connect(Number(port), hostname)
  const body = JSON.stringify({ conversationId, text: 'in flight' })
  socket.write(`POST /api/chat/messages HTTP/1.1\r\nHost: x\r\nAuthorization: ${alice.authorization}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`)
  // The server has received it.
  await once(socket, 'data')
  socket.write(body.slice(0, 10))
  let answer = ''
  socket.on('data', chunk => { answer += String(chunk) })

  const stopped = server.stop()
  const told = await Promise.all(streams.map(async stream => {
    const { data } = await stream.next('disconnect')
    await stream.ended
    return { ...data, retry: stream.retry }
  }))
  for (const { reason, retryAfterMs, retry } of told as Array<Record<string, unknown>>) {
    t.equal(reason, 'shutdown')
    t.equal(retry, retryAfterMs)
  }
  t.ok(new Set(told.map(({ retry }) => retry)).size > 1, 'each its own')
  const ready = await fetch(`${server.origin}/health/ready`)
  t.equal(ready.status, 503, 'the port is open, and not ready')
  t.equal((await fetch(`${server.origin}/health/live`)).status, 200)
  const late = await openEvents(t, `${server.origin}/api/sse`, bob)
  t.equal(late.status, 200)
  t.match((await late.next()).data, { reason: 'shutdown' })

  socket.write(body.slice(10))
  const { code, stderr } = await stopped
  t.equal(code, 0)
  t.equal(stderr, '')
  t.match(answer, /^HTTP\/1\.1 201/)
})

await t.test('a signal during the start ends it', async t => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    // A PostgreSQL that never answers
    const database = createServer().listen(0, '127.0.0.1')
    t.teardown(() => database.close())
    await once(database, 'listening')
    const { child, ended } = launch(temporary(t), { JWT_SECRET: SECRET, DATABASE_URL: `postgres://x@127.0.0.1:${(database.address() as AddressInfo).port}/x` })
    t.teardown(() => { child.kill('SIGKILL') })
    await once(database, 'connection')
    const since = performance.now()
    child.kill(signal)
    t.strictSame(await ended, { code: 0, stdout: '', stderr: '' }, signal)
    t.ok(performance.now() - since < 9000, 'within the time that an end may take')
  }
})

await t.test('METRICS_PORT: /metrics is there, and only there', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const refused = await launch(temporary(t), { METRICS_PORT: String(port) }).ended
  t.match({ ...refused, stderr: refused.stderr.trim() }, { code: 1, stderr: /^METRICS_PORT must be a free port: it is in use$/ })

  const { child, origin, ended } = launch(temporary(t), { METRICS_PORT: '0', JWT_SECRET: SECRET })
  t.teardown(() => { child.kill('SIGKILL') })
  let stdout = ''
  child.stdout!.on('data', chunk => { stdout += String(chunk) })
  const main = await origin
  const metrics = /Metrics: +(http:\/\/\S+)\/metrics/.exec(stdout)![1]!
  t.match(await (await fetch(`${main}/metrics`)).json(), { statusCode: 404, code: 'NOT_FOUND' })
  t.equal((await fetch(`${main}/health/ready`)).status, 200)
  const answer = await fetch(`${metrics}/metrics`)
  t.match(answer.headers.get('content-type'), /^text\/plain/)
  t.match(await answer.text(), /^chat_request_duration_seconds_count\{.*route="\/health\/ready".*\} 1$/m)
  t.match(await (await fetch(`${metrics}/api/chat/me`)).json(), { statusCode: 404, code: 'NOT_FOUND' }, 'nothing else')
  child.kill('SIGTERM')
  t.match(await ended, { code: 0, stderr: '' })
  await t.rejects(fetch(`${metrics}/metrics`), 'closed with the server')
})
