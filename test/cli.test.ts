import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { doctor } from '../commands/doctor.js'
import { migrate } from '../commands/migrate.js'
import { token as tokenCommand } from '../commands/token.js'
import { baseUrl, buildListening, SECRET, user } from './helper.js'
import { requirePostgres, skipWithoutPostgres } from './postgres.js'
import { programOf } from './programs.js'
import { requireRedis, skipWithoutRedis } from './redis.js'

const env = { JWT_SECRET: SECRET }

interface Finding { check: string, result: string, message: string }

interface Examined { failed: boolean, results: Record<string, string>, findings: Finding[] }

async function examine (t: Test, env: NodeJS.ProcessEnv, values = {}): Promise<Examined> {
  const { json, failed, lines } = (await doctor.run(values, env))!
  const { findings } = json as { findings: Finding[] }
  t.equal(lines.length, findings.length, 'one line for each')
  return { failed: failed === true, results: Object.fromEntries(findings.map(({ check, result }) => [check, result])), findings }
}

function temporary (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'chat-cli-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

/** Runs the program, in a folder of its own. */
async function program (t: Test, ...args: string[]): Promise<{ code: number, stdout: string, stderr: string }> {
  const cwd = temporary(t)
  return await new Promise(resolve => {
    execFile(process.execPath, [...programOf('cli.ts'), ...args], { cwd, env: { PATH: process.env.PATH, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

await t.test('help, version, and how it ends', async t => {
  const { code, stdout, stderr } = await program(t, '--help')
  t.strictSame([code, stderr], [0, ''])
  for (const name of ['start', 'migrate', 'token', 'doctor', 'import-sqlite']) t.match(stdout, new RegExp(`^  ${name} +[A-Z]`, 'm'), name)
  t.match(await program(t, '--version'), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/ })
  t.match(await program(t, 'doctor', '--help'), { code: 0, stdout: /--url/ })
  t.match(await program(t, 'nonsense'), { code: 2, stdout: '', stderr: /^There is no command nonsense\. .*\n$/ })
  t.match(await program(t, '--nonsense'), { code: 2, stdout: '', stderr: /^Unknown option '--nonsense'.*\n$/ })
  t.match(await program(t, 'token'), { code: 2, stderr: '--user is required\n' })
  t.match(await program(t, 'import-sqlite', '--json', '--from', 'file:none.db', '--to', 'postgres://x/y'), { code: 1, stderr: '', stdout: '{"error":"There is no file none.db"}\n' })
})

await t.test('token: the server takes it', async t => {
  const app = await buildListening(t)
  const { lines: [token], json } = (await tokenCommand.run({ user: 'alice', name: 'Alice A.', expires: '10m' }, env))!
  t.match(json, { token, userId: 'alice', expiresAt: /^\d{4}-/ })
  const alice = user(app, 'alice')
  alice.token = token!
  t.match(await alice.ok('GET', '/api/chat/me'), { userId: 'alice', displayName: 'Alice A.' })
  await t.rejects(tokenCommand.run({ user: '..' }, env), { name: 'UsageError' })
  await t.rejects(tokenCommand.run({ user: 'alice', expires: 'soon' }, env), { name: 'UsageError' })
  await t.rejects(tokenCommand.run({ user: 'alice' }, { JWT_JWKS_URL: 'https://issuer.example/keys' }), { name: 'CommandError', message: /identity provider/ })
})

await t.test('doctor and migrate, on SQLite', async t => {
  const sqlite = { ...env, DATABASE_URL: `file:${join(temporary(t), 'chat.db')}` }
  t.match(await examine(t, sqlite), { failed: false, results: { configuration: 'ok', secret: 'ok', database: 'warn', bus: 'ok' } })
  t.match((await migrate.run({}, sqlite))!.json, { provider: 'sqlite', identity: /^[a-z0-9]{10}$/ })
  t.match(await examine(t, sqlite), { failed: false, results: { database: 'ok', clocks: 'ok', bus: 'ok' } })

  const short = await examine(t, { JWT_SECRET: 'a short secret' })
  t.match(short, { failed: true, findings: [{ check: 'configuration', result: 'fail', message: 'JWT_SECRET must be 32 bytes or more' }] })
  t.notMatch(JSON.stringify(short), 'a short secret')
})

await t.test('doctor, on PostgreSQL', { skip: await skipWithoutPostgres() }, async t => {
  const url = new URL(await requirePostgres())
  const schema = `test_${randomBytes(6).toString('hex')}`
  url.searchParams.set('schema', schema)
  const postgres = { ...env, DATABASE_URL: url.href }
  t.match(await examine(t, postgres), { failed: false, results: { database: 'warn', clocks: 'ok', bus: 'ok' } })
  const client = new pg.Client({ connectionString: await requirePostgres() })
  await client.connect()
  t.teardown(async () => { await client.end() })
  const { rows } = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema])
  t.strictSame(rows, [], 'nothing was made')

  const role = `host_${randomBytes(6).toString('hex')}`
  const enqueue = async (values = {}): Promise<Finding | undefined> => (await examine(t, postgres, values)).findings.find(({ check }) => check === 'enqueue')
  const grants = `GRANT USAGE ON SCHEMA "${schema}" TO "${role}"; GRANT INSERT ON "${schema}".chat_pending TO "${role}";`
  await client.query(`CREATE ROLE ${role}`)
  t.teardown(async () => { await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE; DROP ROLE ${role}`) })
  t.match(await enqueue({ 'host-role': role }), { result: 'ok', message: `once there are tables, a host's role that enqueues messages needs: ${grants}` })
  await migrate.run({}, postgres)
  t.match(await examine(t, postgres, { 'host-role': 'nobody_here' }), { failed: true, findings: [{}, {}, { check: 'database', message: /nobody_here/ }] })
  t.match(await enqueue(), { result: 'ok', message: /may enqueue messages in its transactions\. A host with another role needs: GRANT USAGE/ })
  t.match(await enqueue({ 'host-role': role }), { result: 'fail', message: `the role ${role} may not enqueue messages: ${grants}` })
  await client.query(grants)
  t.match(await enqueue({ 'host-role': role }), { result: 'ok', message: `the role ${role} may enqueue messages in its transactions` })

  const away = await examine(t, { ...env, DATABASE_URL: 'postgres://chat:pass-word@127.0.0.1:1/chat' })
  t.match(away, { failed: true, results: { configuration: 'ok', database: 'fail', bus: 'fail' } })
  t.notMatch(JSON.stringify(away), 'pass-word')
})

await t.test('doctor, with Redis', { skip: await skipWithoutRedis() }, async t => {
  const sqlite = { ...env, DATABASE_URL: `file:${join(temporary(t), 'chat.db')}` }
  t.match((await examine(t, { ...sqlite, REDIS_URL: await requireRedis() })).findings.at(-1), { check: 'bus', result: 'ok', message: /through Redis/ })
})

await t.test('doctor finds a proxy that holds streams back', async t => {
  const app = await buildListening(t)
  const sqlite = { ...env, DATABASE_URL: `file:${join(temporary(t), 'chat.db')}` }
  const stream = async (url: string, values = {}): Promise<Finding> => (await examine(t, sqlite, { url, ...values })).findings.at(-1)!
  t.match(await stream(baseUrl(app)), { check: 'stream', result: 'ok' })
  t.match(await stream(baseUrl(app), { token: 'bad' }), { result: 'fail', message: /answers 401/ })
  t.match(await stream('http://127.0.0.1:1'), { result: 'fail', message: /cannot be reached/ })

  // It passes the head on, and keeps the body.
  const proxy = createServer((incoming, outgoing) => {
    const passed = request(`${baseUrl(app)}${incoming.url}`, { headers: incoming.headers }, answer => {
      outgoing.writeHead(answer.statusCode!, answer.headers).flushHeaders()
      answer.resume()
    })
    passed.end()
    outgoing.on('close', () => { passed.destroy() })
  }).listen(0, '127.0.0.1')
  t.teardown(() => {
    proxy.close()
    // An attempt that was given up may have left a connection without a request: the app's end would wait for it for a minute.
    app.server.closeAllConnections()
  })
  await once(proxy, 'listening')
  t.match(await stream(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`), { result: 'fail', message: /holds the stream back/ })
})
