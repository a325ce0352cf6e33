import { randomBytes } from 'node:crypto'
import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { PrismaPg } from '@prisma/adapter-pg'
import SqliteConnection from 'better-sqlite3'
import t, { type Test } from 'tap'
import { Counters } from '../../store/counters.js'
import type { Database } from '../../store/database.js'
import { openDatabase } from '../../store/open-database.js'
import { migrate } from '../../store/migrate.js'
import { Queries } from '../../store/queries.js'
import { PostgresClock } from '../../store/shared-clock.js'
import { Writer } from '../../store/writer.js'
import { LocalCounters } from '../../plugins/local-counters.js'
import { temporaryFolder } from '../faults/process.js'
import { build, buildListening, travel, users, type User } from '../helper.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { HOUR, SECOND } from './scene.js'

t.setTimeout(120_000)

/** The clock of a server that is ahead by this many milliseconds. */
const answer = (aheadMs: number): { clock: unknown } => ({ clock: performance.now() + aheadMs })

t.test('PostgreSQL\'s clock is known the better, the quicker an answer came', async t => {
  const clock = new PostgresClock()
  t.throws(() => clock.now())
  // Asked 400 ms ago: the answer is somewhere within that time.
  clock.observe(answer(HOUR), performance.now() - 400)
  t.ok(Math.abs(clock.now() - performance.now() - HOUR - 200) < 20)
  clock.observe(answer(HOUR), performance.now() - 2)
  t.ok(Math.abs(clock.now() - performance.now() - HOUR) < 20)
  // A slow answer must not widen the bounds.
  clock.observe(answer(HOUR - 1000), performance.now() - 3000)
  t.ok(Math.abs(clock.now() - performance.now() - HOUR) < 20)
  t.equal(clock.steps, 0)
})

t.test('PostgreSQL\'s clock is followed when it steps', async t => {
  const clock = new PostgresClock()
  clock.observe(answer(HOUR), performance.now())
  for (const ahead of [2 * HOUR, -HOUR]) {
    const { steps } = clock
    clock.observe(answer(ahead), performance.now())
    t.equal(clock.steps, steps + 1)
    t.ok(Math.abs(clock.ticks() - performance.now() - ahead) < 20)
  }
})

t.test('this process\'s wall clock says nothing about PostgreSQL\'s', { skip: await skipWithoutPostgres() }, async t => {
  const now = Date.now
  t.teardown(() => { Date.now = now })
  Date.now = () => now.call(Date) - HOUR
  const database = await openThrowAway(t, 'postgresql')
  const { clock } = database
  const [server] = await database.read.query<{ clock: number }>(`SELECT ${clock.columns}`)
  t.ok(Math.abs(clock.now() - server!.clock) < 30 * SECOND)
  const before = clock.ticks()
  Date.now = () => now.call(Date) + HOUR
  await new Queries(database).tags.newest([])
  t.ok(clock.ticks() - before < 60 * SECOND)
})

/** A database of its own, which is deleted after the test. */
async function openThrowAway (t: Test, provider: 'sqlite' | 'postgresql'): Promise<Database> {
  if (provider === 'sqlite') {
    const database = await openDatabase({ url: `file:${temporaryFolder(t)}/chat.db` })
    t.teardown(async () => { await database.close() })
    return database
  }
  const schema = `test_${randomBytes(6).toString('hex')}`
  const database = await openDatabase({ url: await requirePostgres(), schema })
  t.teardown(async () => {
    await database.read.execute(`DROP SCHEMA ${schema} CASCADE`)
    await database.close()
  })
  return database
}

const bootOf = async (file: string): Promise<{ boot: string, offset: number }> => {
  const connection = new SqliteConnection(file, { readonly: true })
  const row = connection.prepare('SELECT clock_boot AS boot, clock_offset AS offset FROM chat_meta').get() as { boot: string, offset: number }
  connection.close()
  return row
}

t.test('SQLite: deadlines of before the machine\'s start don\'t last longer than ones of now', async t => {
  const file = join(temporaryFolder(t), 'chat.db')
  const databaseUrl = `file:${file}`
  const before = await build(t, { chat: { databaseUrl } })
  const [ann, bob] = users(before, 'ann', 'bob') as [User, User]
  const conversation = await ann.direct(bob)
  await before.close()
  const { boot, offset } = await bootOf(file)

  // The file as a process left it that crashed while its machine's clock was an hour ahead.
  const ahead = Date.now() + HOUR
  const connection = new SqliteConnection(file)
  connection.exec('UPDATE chat_meta SET clock_boot = \'another\', clock_offset = clock_offset + 3600000')
  connection.prepare('UPDATE chat_participants SET typing_until = ? WHERE user_id = \'ann\'').run(ahead + 6000)
  connection.prepare('UPDATE chat_users SET is_online = 1 WHERE id = \'ann\'').run()
  connection.prepare('INSERT INTO chat_nodes (id, host, pid, expires_at) VALUES (\'dead\', \'elsewhere\', 1, ?)').run(ahead + 20_000)
  connection.prepare('INSERT INTO chat_streams (id, node_id, user_id) VALUES (\'gone\', \'dead\', \'ann\')').run()
  connection.close()

  const app = await buildListening(t, { chat: { databaseUrl } })
  const after = await bootOf(file)
  t.equal(after.boot, boot)
  t.ok(Math.abs(after.offset - offset) < 5000, 'taken from the wall clock')
  const clock = travel(t)
  const [, bobAgain] = users(app, 'ann', 'bob') as [User, User]
  const stream = await bobAgain.stream(t)
  await clock.advance(10_000)
  t.match((await stream.next('typing')).data, { userId: 'ann', isTyping: false, conversationId: conversation })
  await clock.advance(50_000)
  t.match((await stream.next('onlineStatus')).data, { userId: 'ann', isOnline: false })
})

for (const provider of ['sqlite', 'postgresql'] as const) {
  t.test(provider, { skip: provider === 'postgresql' && await skipWithoutPostgres() }, async t => {
    t.test('a count lasts for its window, also when the clock was set back', async t => {
      const database = await openThrowAway(t, provider)
      const counters = new Counters(database, new Writer(database, () => {}))
      t.equal((await counters.add('key', 60_000)).count, 1)
      const second = await counters.add('key', 60_000)
      t.equal(second.count, 2)
      t.ok(second.leftMs > 0 && second.leftMs <= 60_000)
      t.equal((await counters.get('key', 60_000))?.count, 2)
      await database.transaction(async sql => await sql.execute('UPDATE chat_counters SET expires_at = expires_at + 3600000'))
      t.equal(await counters.get('key', 60_000), undefined, 'no window lasts for an hour')
      t.equal((await counters.add('key', 60_000)).count, 1)
    })

    t.test('who joined when the conversation was made is known by the log, not by the instant', async t => {
      const database = await openThrowAway(t, provider)
      await database.transaction(async sql => {
        for (const id of ['ann', 'bob', 'cid', 'dan']) await sql.execute('INSERT INTO chat_users (id, display_name, profile_at, created_at) VALUES (?, ?, 0, 0)', id, id)
        await sql.execute('INSERT INTO chat_conversations (id, type, created_by, created_at, updated_at, event_seq, position) VALUES (\'group_1\', \'group\', \'ann\', 5, 5, 4, 4)')
        // All at the same instant, by a clock that was set back in between.
        for (const id of ['ann', 'bob', 'cid']) {
          await sql.execute('INSERT INTO chat_participants (conversation, user_id, role, joined_at, joined_seq, delivered_seq, read_seq) VALUES (1, ?, \'member\', 5, 0, 0, 0)', id)
        }
        const events = [['conversationCreated', 'ann'], ['participantJoined', 'bob'], ['participantLeft', 'cid'], ['participantJoined', 'cid'], ['participantLeft', 'dan']] as const
        for (const [index, [type, userId]] of events.entries()) {
          await sql.execute('INSERT INTO chat_events (conversation, seq, position, type, user_id, created_at) VALUES (1, ?, ?, ?, ?, 5)', index + 1, index + 1, type, userId)
        }
      })
      t.strictSame((await new Queries(database).joinedSince(0)).map(({ userId, seq }) => `${userId} ${seq}`).sort(), ['ann 1', 'bob 2', 'cid 1', 'cid 4'])
      t.strictSame((await new Queries(database).joinedSince(2)).map(({ userId, seq }) => `${userId} ${seq}`), ['cid 4'])
    })

    t.test('conversations of a version that went by instants keep their places, below what happens next', async t => {
      const folder = temporaryFolder(t)
      const shipped = new URL(`../../prisma/${provider}/migrations/`, import.meta.url)
      const older = readdirSync(shipped).filter(name => /^\d+_(init|counters)/.test(name))
      for (const name of older) cpSync(new URL(`${name}/`, shipped), join(folder, 'migrations', name), { recursive: true })
      const migrations = pathToFileURL(`${join(folder, 'migrations')}/`)
      const schema = `test_${randomBytes(6).toString('hex')}`
      const url = provider === 'sqlite' ? `file:${join(folder, 'chat.db')}` : await requirePostgres()
      const options = provider === 'sqlite' ? {} : { schema }
      await migrate(provider, provider === 'sqlite' ? new PrismaBetterSqlite3({ url }) : new PrismaPg({ connectionString: url }, { schema }), { ...options, migrations })
      const scratch = provider === 'sqlite' ? new SqliteConnection(join(folder, 'chat.db')) : undefined
      const insert = [['a', 30], ['b', 10], ['c', 20]].map(([id, at]) =>
        `INSERT INTO ${provider === 'sqlite' ? '' : `${schema}.`}chat_conversations (id, type, created_by, created_at, updated_at, position) VALUES ('${id}', 'group', 'ann', 0, ${at}, 1)`)
      if (scratch !== undefined) {
        for (const sql of insert) scratch.exec(sql)
        scratch.close()
      } else {
        const { default: pg } = await import('pg')
        const client = new pg.Client({ connectionString: url })
        await client.connect()
        for (const sql of insert) await client.query(sql)
        await client.end()
      }
      const database = await openDatabase({ url, ...options })
      t.teardown(async () => {
        if (provider === 'postgresql') await database.read.execute(`DROP SCHEMA ${schema} CASCADE`)
        await database.close()
      })
      const places = (await database.read.query<{ id: string, activity: unknown, logged_at: unknown }>('SELECT id, activity, logged_at FROM chat_conversations ORDER BY id'))
        .map(({ id, activity, logged_at: loggedAt }) => [id, Number(activity), Number(loggedAt)])
      t.strictSame(places, [['a', 0, 30], ['b', -2, 10], ['c', -1, 20]])
      // A node of that version which is still running.
      await database.transaction(async sql => {
        await sql.execute('INSERT INTO chat_users (id, display_name, profile_at, created_at) VALUES (\'ann\', \'ann\', 0, 0)')
        await sql.execute('INSERT INTO chat_participants (conversation, user_id, role, joined_at, joined_seq, delivered_seq, read_seq) SELECT num, \'ann\', \'member\', 0, 0, 0, 0 FROM chat_conversations')
        await sql.execute('UPDATE chat_conversations SET updated_at = 40, position = 2 WHERE id = \'b\'')
      })
      const queries = new Queries(database)
      const ALL = { archived: undefined, favourite: false, unread: false }
      const { conversations, next } = await queries.conversations('ann', ALL, undefined, 2)
      t.strictSame(conversations.map(({ id }) => id), ['b', 'a'])
      t.strictSame((await queries.conversations('ann', ALL, next, 2)).conversations.map(({ id }) => id), ['c'])
    })
  })
}

t.test('a process that counts by itself goes by no wall clock', async t => {
  const counters = new LocalCounters(2)
  t.strictSame([counters.add('a', 60_000).count, counters.add('a', 60_000).count], [1, 2])
  const now = Date.now
  t.teardown(() => { Date.now = now })
  for (const step of [HOUR, -HOUR]) {
    Date.now = () => now.call(Date) + step
    const { leftMs } = counters.add('a', 60_000)
    t.ok(leftMs > 0 && leftMs <= 60_000)
  }
  t.equal(counters.add('a', 60_000).count, 5)
  const clock = travel(t)
  await clock.advance(60_000)
  t.equal(counters.add('a', 60_000).count, 1)
})
