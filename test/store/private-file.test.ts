import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteConnection from 'better-sqlite3'
import t, { type Test } from 'tap'
import { readConfig } from '../../config.js'
import { openDatabase } from '../../store/open-database.js'

const skip = process.platform === 'win32' ? 'Windows has no modes' : false

/** A folder, with the umask that most systems have. */
function temporary (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'chat-private-'))
  const before = process.umask(0o022)
  t.teardown(() => {
    process.umask(before)
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)
const modesIn = (folder: string): Record<string, string> => Object.fromEntries(
  readdirSync(folder).sort().map(name => [name, modeOf(join(folder, name))])
)

await t.test('the database and its folder are for the server\'s user only', { skip }, async t => {
  const folder = temporary(t)
  const database = await openDatabase({ url: `file:${join(folder, 'deep', 'data', 'chat.db')}` })
  await database.transaction(async sql => { await sql.execute('UPDATE chat_meta SET position = position') })
  t.same(modesIn(join(folder, 'deep', 'data')), { 'chat.db': '600', 'chat.db-shm': '600', 'chat.db-wal': '600' })
  t.equal(modeOf(join(folder, 'deep', 'data')), '700')
  t.equal(modeOf(join(folder, 'deep')), '700')
  await database.close()
})

await t.test('files of before are tightened when they are opened; a folder that was there is left', { skip }, async t => {
  const folder = temporary(t)
  const data = join(folder, 'data')
  mkdirSync(data, { mode: 0o755 })
  const file = join(data, 'chat.db')
  await (await openDatabase({ url: `file:${file}` })).close()
  // As an earlier version left the files, while another process uses them.
  const other = new SqliteConnection(file)
  t.teardown(() => { other.close() })
  other.exec('UPDATE chat_meta SET position = position')
  for (const name of readdirSync(data)) chmodSync(join(data, name), 0o644)
  const database = await openDatabase({ url: `file:${file}?synchronous=normal` })
  t.same(modesIn(data), { 'chat.db': '600', 'chat.db-shm': '600', 'chat.db-wal': '600' })
  t.equal(modeOf(data), '755')
  t.same((await database.read.query('SELECT position FROM chat_meta')).length, 1)
  await database.close()
})

await t.test('so is the secret', { skip }, async t => {
  const folder = temporary(t)
  const env = { DATABASE_URL: `file:${join(folder, 'data', 'chat.db')}` }
  const { chat: { jwt } } = readConfig(env)
  t.equal(modeOf(join(folder, 'data')), '700')
  t.same(modesIn(join(folder, 'data')), { 'jwt-secret': '600' })
  chmodSync(join(folder, 'data', 'jwt-secret'), 0o644)
  t.same(readConfig(env).chat.jwt, jwt)
  t.same(modesIn(join(folder, 'data')), { 'jwt-secret': '600' })
})
