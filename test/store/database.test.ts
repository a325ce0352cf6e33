import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteConnection from 'better-sqlite3'
import pg from 'pg'
import t, { type Test } from 'tap'
import { PostgresBus } from '../../hub/buses/postgres.js'
import type { Database } from '../../store/database.js'
import { openDatabase } from '../../store/open-database.js'
import { findMarks } from '../../store/marks.js'
import { Keys } from '../../store/keys.js'
import { deleteEmptyNode, renewNode } from '../../store/nodes.js'
import { Queries } from '../../store/queries.js'
import type { Param } from '../../store/sql.js'
import * as tables from '../../store/tables.js'
import { countTickets, deleteExpiredTickets } from '../../store/tickets.js'
import { countUnread } from '../../store/own-states.js'
import { findCandidates, makeIndex } from '../../store/search.js'
import { load } from '../../store/unit-load.js'
import { writeChecks } from '../../store/write-check.js'
import { eventually } from '../hub/eventually.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'

/** How long another process holds its lock, in milliseconds. */
const HELD_MS = 300

await t.test('SQLite: a new file that another process reads while it is made ready', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'chat-database-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const file = join(folder, 'chat.db')
  await (await openDatabase({ url: `file:${file}` })).close()
  const other = new SqliteConnection(file)
  t.teardown(() => { other.close() })
  // As the migration leaves it.
  other.pragma('journal_mode = DELETE')
  other.exec('BEGIN')
  other.prepare('SELECT position FROM chat_meta').get()
  setTimeout(() => { other.exec('COMMIT') }, HELD_MS)
  const database = await openDatabase({ url: `file:${file}` })
  t.same(await database.read.query('PRAGMA journal_mode'), [{ journal_mode: 'wal' }])
  await database.close()
})

await t.test('PostgreSQL: whatever is read is looked up by an index, and a page of the log without sorting the rest', { skip: await skipWithoutPostgres() }, async t => {
  const url = new URL(await requirePostgres())
  const schema = `test_${randomBytes(6).toString('hex')}`
  const database = await openDatabase({ url: url.href, schema })
  t.teardown(async () => {
    await database.read.execute(`DROP SCHEMA ${schema} CASCADE`)
    await database.close()
  })
  const plans = new Map<string, string>()
  const explained = explaining(database, plans)
  const typed = statementsOfPrisma(t, schema)
  const queries = new Queries(explained)
  const conversation = { conversationId: 'group_1', num: 1, eventSeq: 1, prunedSeq: 0, position: 1, prunedPosition: 0 }
  await queries.access('group_1', 'ann')
  await queries.followed('ann', 0)
  await queries.user('ann')
  await queries.messages(conversation, 'ann', { before: 50, limit: 50 })
  await queries.messages(conversation, 'ann', { after: 50, limit: 50 })
  await queries.messagesAround(conversation, 'ann', 5, 50)
  await queries.message('m1', 'ann')
  await queries.place('m1', 'ann')
  const place = { num: 1, seq: 1, senderId: 'ann', conversationId: 'group_1' }
  await queries.replies(place, 'ann', { limit: 50 })
  await queries.reactions(place, { emoji: undefined, limit: 50, behind: undefined })
  await queries.receptions(place)
  await queries.profiles(['ann'])
  await queries.mentions('ann', undefined, 50)
  await queries.shareConversation('ann', 'ben')
  await queries.conversation('group_1', 'ann')
  await queries.conversations('ann', { archived: false, favourite: true, unread: true }, undefined, 50)
  await queries.conversations('ann', { archived: undefined, favourite: false, unread: false }, undefined, 50)
  await queries.ownProfile('ann')
  await queries.seqsAt([{ num: 1, position: 1 }])
  await queries.changedSince(1)
  await queries.joinedSince(1)
  await queries.events('group_1', 1, 500)
  await queries.streamExpiry('a stream')
  await queries.passwordHash('ann')
  await queries.tags.newest([1, 2])
  await queries.tags.at(1)
  await queries.tags.heads(['group_1'])
  await queries.lapsedTyping(1)
  await queries.typingOf('ann')
  await queries.lapsedOnline(1)
  await queries.deadNodes(1)
  await findMarks(explained.read, database.dialect, 'former_participants', [{ conversation: 1, low: 1, high: 50 }])
  await database.write(async prisma => {
    await deleteExpiredTickets(prisma, 1)
    await countTickets(prisma, 'ann', 5)
    await renewNode(prisma, 'a node', 2, 1)
    await deleteEmptyNode(prisma, 'a node', 1)
  })
  await explainAll(typed, plans)
  t.ok(typed.size >= 8, 'what Prisma asks is among them')
  const keys = new Keys()
  keys.crowd('group_1', 'ann')
  keys.messageWithCrowd('a message', 'ann')
  keys.direct('conv_ann_ben')
  keys.ownState('group_1', 'ann')
  await database.transaction(async sql => {
    const explained = explaining({ ...database, read: sql }, plans)
    await load(explained.dialect, explained.read, keys, 1)
    await countUnread(explained.read, database.dialect, [{ of: { num: 1, userId: 'ann', messageSeq: 9, readFrom: 1, joinedSeq: 0 }, into: { unreadCount: 0, unreadMentionCount: 0 } }])
  })
  const [, locking] = [...plans].find(([sql]) => sql.includes('FOR NO KEY UPDATE')) ?? []
  t.match(locking, /Index Cond: \(\(user_id = .* AND \(conversation = |Index Cond: \(\(conversation = .* AND \(user_id = /, 'a participation is one entry')
  for (const [sql, plan] of plans) {
    t.match(plan, 'Index', sql)
    t.notMatch(plan, 'Seq Scan', sql)
    if (sql.includes('ORDER BY e.seq LIMIT ?')) t.notMatch(plan, 'Sort', sql)
  }
})

await t.test('PostgreSQL: the search index is read by its words, which takes a bitmap scan', { skip: await skipWithoutPostgres() }, async t => {
  const schema = `test_${randomBytes(6).toString('hex')}`
  const database = await openDatabase({ url: await requirePostgres(), schema })
  t.teardown(async () => {
    await database.read.execute(`DROP SCHEMA ${schema} CASCADE`)
    await database.close()
  })
  for (let start = 0; start < 2; start++) await database.transaction(async sql => { await makeIndex(sql, 'postgresql') })
  await database.read.execute(`INSERT INTO chat_search (conversation, seq, tokens)
    SELECT c, s, array_to_tsvector(ARRAY[c || '·word' || s]) FROM generate_series(1, 20) c, generate_series(1, 100) s`)
  const scans = async (): Promise<number> => Number((await database.read.query<{ idx_scan: unknown }>(
    'SELECT idx_scan FROM pg_stat_user_indexes WHERE schemaname = ? AND indexrelname = \'chat_search_tokens_idx\'', schema))[0]?.idx_scan)
  const before = await scans()
  const asked = [{ conversation: 3, upTo: 50 }, { conversation: 4, upTo: 100 }]
  t.strictSame(await findCandidates(database, asked, ['word9'], 1), [{ conversation: 3, seq: 9 }, { conversation: 4, seq: 99 }])
  // A session tells its figures a second later.
  await eventually(async () => await scans() === before + asked.length)
})

await t.test('SQLite: deleted messages are counted by an index of their own, and former participants found by key', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'chat-database-'))
  const database = await openDatabase({ url: `file:${join(folder, 'chat.db')}` })
  t.teardown(async () => {
    await database.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const plans = new Map<string, string>()
  const explained = explaining(database, plans)
  await new Queries(explained).conversations('ann', { archived: false, favourite: false, unread: false }, undefined, 50)
  await findMarks(explained.read, database.dialect, 'former_participants', [{ conversation: 1, low: 1, high: 50 }])
  const [list, former] = [...plans.values()]
  t.match(list, 'SEARCH d USING INDEX chat_messages_deleted_idx (conversation=? AND seq>?)')
  t.match(former, /SEARCH p USING (COVERING )?INDEX sqlite_autoindex_chat_former_participants_1 \(conversation=\? AND delivered_seq>\?\)/)
})

await t.test('the readiness check writes to every table', async t => {
  const columns = Object.values(tables).map(({ name }) => ({ table_name: name, column_name: 'id' }))
  const checks = writeChecks(columns)
  for (const { name } of Object.values(tables)) t.ok(checks.some(check => / (chat_\w+) /.exec(check)?.[1] === name), name)
})

/** What Prisma's typed client asks from now on, with its parameters. */
function statementsOfPrisma (t: Test, schema: string): Map<string, unknown[]> {
  const statements = new Map<string, unknown[]>()
  const { query } = pg.Client.prototype as { query: (...args: unknown[]) => unknown }
  const noting = function (this: pg.Client, ...args: unknown[]): unknown {
    const { text = '', values = [] } = args[0] as { text?: string, values?: unknown[] }
    if (text.includes(`"${schema}"."chat_`)) statements.set(text, values)
    return query.apply(this, args)
  }
  Object.assign(pg.Client.prototype, { query: noting })
  t.teardown(() => { Object.assign(pg.Client.prototype, { query }) })
  return statements
}

async function explainAll (statements: Map<string, unknown[]>, plans: Map<string, string>): Promise<void> {
  const client = new pg.Client({ connectionString: await requirePostgres() })
  await client.connect()
  await client.query('SET enable_seqscan = off')
  for (const [text, values] of [...statements]) {
    // There are few nodes, and no index of when their leases end.
    if (/^SELECT .* FROM "\w+"\."chat_nodes" WHERE/.test(text)) continue
    const { rows } = await client.query<Record<string, string>>(`EXPLAIN ${text}`, values)
    plans.set(text, rows.flatMap(row => Object.values(row)).join('\n'))
  }
  await client.end()
}

/** The database, which records the plan of each statement that reads. */
function explaining (database: Database, plans: Map<string, string>): Database {
  const { query, execute } = database.read
  return {
    ...database,
    read: {
      execute,
      async query<Row> (sql: string, ...params: Param[]): Promise<Row[]> {
        const lines = await query<Record<string, string>>(`EXPLAIN ${database.provider === 'sqlite' ? 'QUERY PLAN ' : ''}${sql}`, ...params)
        plans.set(sql, lines.flatMap(line => Object.values(line)).join('\n'))
        return await query<Row>(sql, ...params)
      }
    }
  }
}

await t.test('PostgreSQL: by its socket, whose URL has no host', { skip: await skipWithoutPostgres() }, async t => {
  const { username, password, pathname } = new URL(await requirePostgres())
  const client = new pg.Client({ connectionString: await requirePostgres() })
  await client.connect()
  const { rows: [settings] } = await client.query('SELECT current_setting(\'unix_socket_directories\') AS folders, current_setting(\'port\') AS port')
  await client.end()
  const { folders, port } = settings as { folders: string, port: string }
  const folder = folders.split(',').map(folder => folder.trim()).find(folder => existsSync(join(folder, `.s.PGSQL.${port}`)))
  if (folder === undefined) return t.pass('by its socket', { skip: 'the server\'s socket is not on this machine' })
  const schema = `test_${randomBytes(6).toString('hex')}`
  const who = password === '' ? username : `${username}:${password}`
  for (const start of [`postgresql://${who}@${pathname}?host=${folder}`, `postgres://${who}@${encodeURIComponent(folder)}${pathname}?`]) {
    const url = `${start}&port=${port}&schema=${schema}&options=-c%20statement_timeout%3D4321`
    const database = await openDatabase({ url })
    t.match(await database.read.query('SELECT current_schema() AS schema'), [{ schema }], start)
    const bus = new PostgresBus({ url, installation: schema })
    await bus.open()
    t.ok(bus.connected, 'the bus, too')
    await bus.close()
    await database.close()
  }
  const database = await openDatabase({ url: await requirePostgres(), schema })
  await database.read.execute(`DROP SCHEMA ${schema} CASCADE`)
  await database.close()
})
