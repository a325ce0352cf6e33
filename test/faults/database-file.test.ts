import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import SqliteConnection from 'better-sqlite3'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { build, buildListening, call, user, type User } from '../helper.js'
import { eventually, temporaryFolder } from './process.js'

interface Chat {
  app: FastifyInstance
  file: string
  anna: User
  ben: User
  conversationId: string
  logged: string[]
}

async function start (t: Test): Promise<Chat> {
  const file = join(temporaryFolder(t), 'chat.db')
  const logged: string[] = []
  const log = new Writable({ write (line: Buffer, _encoding, done) { logged.push(line.toString()); done() } })
  const app = await buildListening(t, { chat: { databaseUrl: `file:${file}` }, log })
  const [anna, ben] = [user(app, 'anna'), user(app, 'ben')]
  return { app, file, anna, ben, conversationId: await anna.direct(ben), logged }
}

const readiness = async (app: FastifyInstance): Promise<number> => (await call(app, 'GET', '/health/ready')).status

/** The responses while the database cannot be used. */
async function refuses (t: Test, { app, anna, ben, conversationId }: Chat, what: string): Promise<void> {
  const write = await anna.call('POST', '/api/chat/messages', { conversationId, text: 'lost' })
  t.match([write.status, write.body.code], [503, 'UNAVAILABLE'], `${what}: a write`)
  t.ok(write.headers['retry-after'], 'says when to come again')
  t.equal((await ben.call('GET', `/api/chat/conversations/${conversationId}/messages`)).status, 503, `${what}: a read`)
  t.equal(await readiness(app), 503, `${what}: readiness`)
  const stream = await ben.openStream(t, { conversationId })
  t.equal(stream.status, 200)
  t.match((await stream.next('disconnect')).data, { reason: 'unavailable' })
  await stream.ended
}

/** The server works again, and everything that it acknowledged is in the file that the next start opens. */
async function works (t: Test, chat: Chat, texts: string[]): Promise<void> {
  const { app, file, anna, ben, conversationId } = chat
  await anna.send(conversationId, 'the last')
  t.equal(await readiness(app), 200, 'ready')
  const stream = await ben.stream(t, { conversationId })
  t.ok(stream, 'streams are open to it')
  await app.close()
  const next = await build(t, { chat: { databaseUrl: `file:${file}` } })
  const { messages } = await user(next, 'ben').ok<{ messages: Array<{ text: string }> }>('GET', `/api/chat/conversations/${conversationId}/messages`)
  t.strictSame(messages.map(({ text }) => text), [...texts, 'the last'], 'all that was acknowledged is there after a restart, and nothing else')
}

await t.test('a database file that is moved while it is in use', async t => {
  for (const suffixes of [[''], ['', '-wal', '-shm']]) {
    const chat = await start(t)
    const stream = await chat.ben.stream(t, { conversationId: chat.conversationId })
    await chat.anna.send(chat.conversationId, 'before')
    await stream.next('message')
    for (const suffix of suffixes) renameSync(chat.file + suffix, `${chat.file}.moved${suffix}`)
    await refuses(t, chat, `moved with ${suffixes.join()}`)
    t.ok(chat.logged.some(line => line.includes('was moved or deleted')), 'the log says what to do')
    t.notOk(existsSync(chat.file), 'no new file is made')
    for (const suffix of suffixes) renameSync(`${chat.file}.moved${suffix}`, chat.file + suffix)
    t.equal(await readiness(chat.app), 200)
    await chat.anna.send(chat.conversationId, 'after')
    t.equal((await stream.next('message')).data.text, 'after', 'the open stream goes on')
    await works(t, chat, ['before', 'after'])
  }
})

await t.test('a database file that is replaced, by a copy of itself even', async t => {
  const chat = await start(t)
  await chat.anna.send(chat.conversationId, 'before')
  renameSync(chat.file, `${chat.file}.moved`)
  copyFileSync(`${chat.file}.moved`, chat.file)
  await refuses(t, chat, 'replaced')
  t.ok(chat.logged.some(line => line.includes('Another file stands where')), 'the log says what to do')
  renameSync(`${chat.file}.moved`, chat.file)
  await works(t, chat, ['before'])
})

await t.test('a database file that is deleted', async t => {
  const chat = await start(t)
  rmSync(chat.file)
  await refuses(t, chat, 'deleted')
})

await t.test('a database file that is emptied', async t => {
  const chat = await start(t)
  const copy = readFileSync(chat.file)
  truncateSync(chat.file)
  await eventually('it is noticed, and the log says what to do', () => chat.logged.some(line => line.includes('was emptied')), 5000)
  await refuses(t, chat, 'emptied')
  writeFileSync(chat.file, copy)
  await refuses(t, chat, 'filled again, which the open connections don\'t know of')
})

/** Everything of the log is in the file. */
function checkpoint (file: string): void {
  const other = new SqliteConnection(file)
  other.pragma('wal_checkpoint(TRUNCATE)')
  other.close()
}

await t.test('a database file that is cut short', async t => {
  for (const share of [0.5, 0.9, 0.01]) {
    const chat = await start(t)
    await chat.anna.send(chat.conversationId, 'before')
    checkpoint(chat.file)
    await chat.anna.send(chat.conversationId, 'after')
    const copy = readFileSync(chat.file)
    truncateSync(chat.file, Math.floor(copy.length * share))
    await refuses(t, chat, `cut to ${share}`)
    t.ok(chat.logged.some(line => line.includes('was cut short')), 'the log says what to do')
    const files = ['', '-wal'].map(suffix => readFileSync(chat.file + suffix))
    await chat.app.close()
    await t.rejects(build(t, { chat: { databaseUrl: `file:${chat.file}` } }), /is cut short or damaged/, 'a start with it is refused')
    for (const [index, suffix] of ['', '-wal'].entries()) t.ok(readFileSync(chat.file + suffix).equals(files[index]!), 'neither the end nor the start has changed the files')
  }
})

await t.test('a database file that is cut short and filled again', async t => {
  const chat = await start(t)
  const copy = readFileSync(chat.file)
  truncateSync(chat.file, copy.length / 2)
  await eventually('it is noticed', () => chat.logged.some(line => line.includes('was cut short')), 5000)
  writeFileSync(chat.file, copy)
  await refuses(t, chat, 'filled again, which the open connections don\'t know of')
})

await t.test('a database file that is cut short while nobody uses it', async t => {
  for (const share of [0.9, 0.5, 0.01, 0.001]) {
    const chat = await start(t)
    await chat.app.close()
    truncateSync(chat.file, Math.floor(statSync(chat.file).size * share))
    await t.rejects(build(t, { chat: { databaseUrl: `file:${chat.file}` } }), { name: 'DatabaseError', message: /^The database file \S+ is cut short or damaged: .*$/ })
  }
})

await t.test('a file that is shorter than its database, and has the rest in its write-ahead log', async t => {
  const chat = await start(t)
  // What a process that is killed while it writes the log's pages to the file leaves: some of them, the header among them
  for (let n = 0; n < 60; n++) await chat.anna.send(chat.conversationId, 'x'.repeat(4000))
  const [short, log] = ['', '-wal'].map(suffix => readFileSync(chat.file + suffix)) as [Buffer, Buffer]
  checkpoint(chat.file)
  const whole = readFileSync(chat.file)
  t.ok(whole.length > short.length)
  const left = join(temporaryFolder(t), 'chat.db')
  writeFileSync(left, whole.subarray(0, short.length))
  writeFileSync(`${left}-wal`, log)
  const next = await build(t, { chat: { databaseUrl: `file:${left}` } })
  const { messages } = await user(next, 'ben').ok<{ messages: unknown[] }>('GET', `/api/chat/conversations/${chat.conversationId}/messages?limit=100`)
  t.equal(messages.length, 60, 'all is there')
})

await t.test('a database file that is made smaller by VACUUM', async t => {
  const chat = await start(t)
  await chat.anna.send(chat.conversationId, 'before')
  const other = new SqliteConnection(chat.file)
  t.teardown(() => { other.close() })
  other.exec('CREATE TABLE others AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT randomblob(3000) AS x FROM n')
  other.pragma('wal_checkpoint(TRUNCATE)')
  const { size } = statSync(chat.file)
  t.equal(await readiness(chat.app), 200)
  other.exec('DROP TABLE others; VACUUM')
  other.pragma('wal_checkpoint(TRUNCATE)')
  t.ok(statSync(chat.file).size < size)
  t.equal(await readiness(chat.app), 200, 'is no damage')
  await works(t, chat, ['before'])
})

await t.test('a start with an emptied file, whose write-ahead log is there', async t => {
  const chat = await start(t)
  await chat.anna.send(chat.conversationId, 'before')
  const left = join(temporaryFolder(t), 'chat.db')
  writeFileSync(left, '')
  copyFileSync(`${chat.file}-wal`, `${left}-wal`)
  await t.rejects(build(t, { chat: { databaseUrl: `file:${left}` } }), /is empty, and .*-wal/, 'is refused: SQLite would delete that')
  t.ok(statSync(`${left}-wal`).size > 0)
})

await t.test('a write-ahead log that is cut short', async t => {
  for (const share of [0.5, 0.01, 0]) {
    const chat = await start(t)
    for (let n = 0; n < 20; n++) await chat.anna.send(chat.conversationId, 'x'.repeat(4000))
    const wal = `${chat.file}-wal`
    truncateSync(wal, Math.floor(statSync(wal).size * share))
    // An empty one is what SQLite leaves, too. It shows when something is written behind the hole.
    await eventually(`cut to ${share}`, async () =>
      (await chat.anna.call('POST', '/api/chat/messages', { conversationId: chat.conversationId, text: 'x' })).status === 503 &&
      chat.logged.some(line => line.includes('-wal was cut short')), 10_000)
    await refuses(t, chat, `cut to ${share}`)
  }
})

await t.test('a write-ahead log that somebody brings into the database, and empties', async t => {
  const chat = await start(t)
  for (let n = 0; n < 5; n++) {
    for (let m = 0; m < 10 - n; m++) await chat.anna.send(chat.conversationId, 'x'.repeat(4000))
    checkpoint(chat.file)
    await chat.anna.send(chat.conversationId, 'x')
    t.equal(await readiness(chat.app), 200, 'is no damage')
  }
})

await t.test('a database file that a symbolic link leads to: its log is where the file is', async t => {
  const folder = temporaryFolder(t)
  const [file, link] = [join(folder, 'real.db'), join(folder, 'link.db')]
  symlinkSync('real.db', link)
  const logged: string[] = []
  const log = new Writable({ write (line: Buffer, _encoding, done) { logged.push(line.toString()); done() } })
  const app = await buildListening(t, { chat: { databaseUrl: `file:${link}` }, log })
  const [anna, ben] = [user(app, 'anna'), user(app, 'ben')]
  const chat = { app, file: link, anna, ben, conversationId: await anna.direct(ben), logged }
  for (let n = 0; n < 60; n++) await anna.send(chat.conversationId, 'x'.repeat(4000))

  const left = join(temporaryFolder(t), 'link.db')
  const copies = join(temporaryFolder(t), 'real.db')
  symlinkSync(copies, left)
  copyFileSync(`${file}-wal`, `${copies}-wal`)
  await t.rejects(build(t, { chat: { databaseUrl: `file:${left}` } }), /is gone, and .*real\.db-wal/, 'a start with a link that leads nowhere')
  const short = readFileSync(file)
  checkpoint(file)
  writeFileSync(copies, readFileSync(file).subarray(0, short.length))
  t.ok(await build(t, { chat: { databaseUrl: `file:${left}` } }), 'a start that needs the log')

  rmSync(`${file}-wal`)
  await eventually('a log that is removed is noticed', () => logged.some(line => line.includes('write-ahead log')), 5000)
  truncateSync(file, 100_000)
  await refuses(t, chat, 'cut short')
})

await t.test('a start without the file, whose write-ahead log is there', async t => {
  const chat = await start(t)
  await chat.anna.send(chat.conversationId, 'before')
  renameSync(chat.file, `${chat.file}.moved`)
  await t.rejects(build(t, { chat: { databaseUrl: `file:${chat.file}` } }), /is gone, and .*-wal/, 'is refused: a new database would delete that')
  renameSync(`${chat.file}.moved`, chat.file)
  await works(t, chat, ['before'])
})

await t.test('it is noticed by itself, with nobody asking', async t => {
  const chat = await start(t)
  renameSync(chat.file, `${chat.file}.moved`)
  await eventually('it is logged', () => chat.logged.some(line => line.includes('was moved or deleted')), 5000)
  renameSync(`${chat.file}.moved`, chat.file)
  await eventually('it is logged', () => chat.logged.some(line => line.includes('is back')), 5000)
})

await t.test('a write-ahead log that is removed: what is in it is kept, and writing goes on', async t => {
  for (const suffixes of [['-wal'], ['-wal', '-shm']]) {
    const chat = await start(t)
    await chat.anna.send(chat.conversationId, 'before')
    for (const suffix of suffixes) rmSync(chat.file + suffix)
    await eventually('a new one was begun', () => existsSync(`${chat.file}-wal`), 5000)
    await eventually('it is logged', () => chat.logged.some(line => line.includes('write-ahead log')), 5000)
    // What remains of a process that is killed now.
    copyFileSync(chat.file, `${chat.file}.killed`)
    copyFileSync(`${chat.file}-wal`, `${chat.file}.killed-wal`)
    const left = await build(t, { chat: { databaseUrl: `file:${chat.file}.killed` } })
    const { messages } = await user(left, 'ben').ok<{ messages: unknown[] }>('GET', `/api/chat/conversations/${chat.conversationId}/messages`)
    t.equal(messages.length, 1, 'in the database')
    await works(t, chat, ['before'])
  }
})

await t.test('a table that somebody takes away', async t => {
  const chat = await start(t)
  await chat.anna.send(chat.conversationId, 'before')
  const other = new SqliteConnection(chat.file)
  t.teardown(() => { other.close() })
  for (const [spoil, mend] of [
    ['ALTER TABLE chat_participants RENAME TO elsewhere', 'ALTER TABLE elsewhere RENAME TO chat_participants'],
    ['ALTER TABLE chat_conversations RENAME COLUMN event_seq TO other', 'ALTER TABLE chat_conversations RENAME COLUMN other TO event_seq']
  ] as const) {
    other.exec(spoil)
    await refuses(t, chat, spoil)
    other.exec(mend)
    t.equal(await readiness(chat.app), 200)
  }
  await works(t, chat, ['before'])
})

await t.test('the row of chat_meta that somebody deletes', async t => {
  const chat = await start(t)
  const { app, file, anna, ben, conversationId } = chat
  await anna.send(conversationId, 'before')
  const other = new SqliteConnection(file)
  t.teardown(() => { other.close() })
  other.exec('CREATE TABLE saved AS SELECT * FROM chat_meta')
  for (const spoil of ['DELETE FROM chat_meta', 'UPDATE chat_meta SET id = 2']) {
    other.exec(spoil)
    for (const [method, path, body] of [
      ['POST', '/api/chat/messages', { conversationId, text: 'lost' }],
      ['POST', '/api/chat/conversations', { type: 'group', participantIds: ['ben'] }],
      ['PUT', `/api/chat/conversations/${conversationId}/read`, { seq: 1 }]
    ] as const) t.match(await ben.call(method, path, body), { status: 503, body: { code: 'UNAVAILABLE' } }, `${spoil}: ${path}`)
    t.equal(await readiness(app), 503, `${spoil}: readiness`)
    for (const query of [{ conversationId }, {}]) {
      const stream = await ben.openStream(t, query)
      t.equal(stream.status, 200)
      t.match((await stream.next('disconnect')).data, { reason: 'unavailable' })
      await stream.ended
    }
    other.exec('DELETE FROM chat_meta; INSERT INTO chat_meta SELECT * FROM saved')
    t.equal(await readiness(app), 200)
  }
  t.notOk(chat.logged.some(line => line.includes('"level":50')), 'no mistake of the server')
  other.exec('DROP TABLE saved')
  await works(t, chat, ['before'])
})

await t.test('a start without the row of chat_meta makes another, which goes on counting', async t => {
  const chat = await start(t)
  await chat.anna.send(chat.conversationId, 'before')
  const other = new SqliteConnection(chat.file)
  t.teardown(() => { other.close() })
  other.exec('DELETE FROM chat_meta')
  await chat.app.close()
  const next = await build(t, { chat: { databaseUrl: `file:${chat.file}` } })
  await user(next, 'anna').send(chat.conversationId, 'after')
  t.equal(other.prepare('SELECT count(*) - count(DISTINCT position) FROM chat_events').pluck().get(), 0, 'no position is taken twice')
})

await t.test('every table that is gone is an outage', async t => {
  const chat = await start(t)
  const other = new SqliteConnection(chat.file)
  t.teardown(() => { other.close() })
  // Not those of the search index: it can be built anew from the others.
  const tables = other.prepare('SELECT name FROM sqlite_schema WHERE type = \'table\' AND name LIKE \'chat_%\' AND name NOT LIKE \'chat_search%\'')
    .pluck().all() as string[]
  t.ok(tables.length >= 12)
  for (const table of tables) {
    other.exec(`ALTER TABLE ${table} RENAME TO elsewhere`)
    t.equal(await readiness(chat.app), 503, table)
    other.exec(`ALTER TABLE elsewhere RENAME TO ${table}`)
    t.equal(await readiness(chat.app), 200)
  }
})

await t.test('another writer\'s short lock is no outage', async t => {
  const chat = await start(t)
  const other = new SqliteConnection(chat.file)
  t.teardown(() => { other.close() })
  other.exec('BEGIN IMMEDIATE')
  const asked = readiness(chat.app)
  setTimeout(() => { other.exec('COMMIT') }, 300)
  t.equal(await asked, 200)
})
