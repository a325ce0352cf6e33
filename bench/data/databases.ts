import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { basename, join } from 'node:path'
import pg from 'pg'
import type { Database } from '../../store/database.js'
import { openDatabase } from '../../store/open-database.js'

/** A folder that the command makes and removes; names PostgreSQL's schemas, too. */
const folder = (): string => process.env.BENCH_DATA!
const POSTGRES = process.env.TEST_DATABASE_URL ?? 'postgres://postgres:postgres@127.0.0.1:5432/test'

export type Provider = 'sqlite' | 'postgresql'

/** Conversations between users `a` and users `b`, a hundred of each `a`, each with a hundred messages. */
export interface Size {
  /** Under which it is kept. Default: what it holds. */
  name?: string
  conversations: number
  messages: number
  /** Whether each message replies to the one before it, mentions somebody and has reactions. Default: plain text. */
  rich?: boolean
}
export const SMALL: Size = { conversations: 100, messages: 10_000 }
export const LARGE: Size = { conversations: 10_000, messages: 1_000_000 }
export const RICH: Size = { ...SMALL, rich: true }

const PER_USER = 100
/** Rows of one transaction: within the statement timeout, on a busy machine too. */
const STEP = 10_000
const START = Date.UTC(2026, 0, 1)

export const userOf = (conversation: number): string => `a-${Math.floor((conversation - 1) / PER_USER)}`
export const conversationId = (conversation: number): string => `conversation-${conversation}`

export async function postgresAnswers (): Promise<boolean> {
  const { hostname, port } = new URL(POSTGRES)
  return await new Promise(resolve => {
    const socket = connect(Number(port === '' ? 5432 : port), hostname)
    socket.once('connect', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => { resolve(false) })
  })
}

const nameOf = ({ messages, rich = false, name = `${messages}${rich ? '_rich' : ''}` }: Size): string => name
const prefixOfSchemas = (): string => `${basename(folder()).replaceAll(/\W/g, '_')}_`.toLowerCase()
const schemaOf = (size: Size): string => `${prefixOfSchemas()}${nameOf(size)}`

export function databaseUrl (provider: Provider, size: Size): string {
  if (provider === 'sqlite') return `file:${join(folder(), `${nameOf(size)}.db`)}`
  const url = new URL(POSTGRES)
  url.searchParams.set('schema', schemaOf(size))
  url.searchParams.set('application_name', schemaOf(size))
  return url.href
}

/** Makes the database unless this run has it already. @returns its URL and identity */
export async function provide (provider: Provider, size: Size, progress: (text: string) => void): Promise<{ url: string, identity: string }> {
  const url = databaseUrl(provider, size)
  const isNew = provider !== 'sqlite' || !existsSync(url.slice('file:'.length))
  const database = await openDatabase({ url })
  try {
    const [row] = await database.read.query<{ position: bigint }>('SELECT position FROM chat_meta')
    if (isNew && size.messages > 0 && Number(row!.position) === 0) {
      await fill(database, size, progress)
      if (size.rich === true) await enrich(database)
      if (provider === 'postgresql') await tidy(size)
    }
    return { url, identity: database.identity }
  } finally {
    await database.close()
  }
}

/** Writes rows as the chat would have: users, conversations, participants, messages, and the event log. */
async function fill (database: Database, { conversations, messages }: Size, progress: (text: string) => void): Promise<void> {
  const each = messages / conversations
  const run = async (sql: string): Promise<void> => { await database.transaction(async transaction => { await transaction.execute(sql) }) }
  const numbers = (from: number, to: number): string => `WITH RECURSIVE n(i) AS (SELECT CAST(${from} AS bigint) UNION ALL SELECT i + 1 FROM n WHERE i < ${to})`
  const users = Math.ceil(conversations / PER_USER)
  const user = (kind: string, count: number): string => `INSERT INTO chat_users (id, display_name, profile_at, created_at, is_online, is_hidden)
    ${numbers(0, count - 1)} SELECT '${kind}-' || i, 'User ${kind} ' || i, ${START}, ${START}, false, false FROM n`
  await run(user('a', users))
  await run(user('b', PER_USER))
  await run(`INSERT INTO chat_conversations (num, id, type, created_by, created_at, updated_at, message_seq, event_seq, position, participant_count)
    ${numbers(1, conversations)} SELECT i, 'conversation-' || i, 'direct', 'a-' || ((i - 1) / ${PER_USER}), ${START}, ${START} + i * 1000, ${each}, ${each + 1}, ${conversations + messages} - ${conversations} + i, 2 FROM n`)
  for (const [kind, id] of [['a', `'a-' || ((i - 1) / ${PER_USER})`], ['b', `'b-' || ((i - 1) % ${PER_USER})`]]) {
    await run(`INSERT INTO chat_participants (conversation, user_id, role, joined_at, joined_seq, delivered_seq, read_seq)
      ${numbers(1, conversations)} SELECT i, ${id}, 'member', ${START}, 0, ${each - 2}, ${kind === 'a' ? each / 2 : each - 5} FROM n`)
  }
  await run(`INSERT INTO chat_events (conversation, seq, position, type, user_id, created_at)
    ${numbers(1, conversations)} SELECT i, 1, i, 'conversationCreated', 'a-' || ((i - 1) / ${PER_USER}), ${START} FROM n`)
  const place = `1 + (i - 1) % ${conversations} AS conversation, 1 + (i - 1) / ${conversations} AS seq, i`
  const sender = (letter: string): string => `CASE WHEN seq % 2 = 1 THEN 'a-' || ((${letter} - 1) / ${PER_USER}) ELSE 'b-' || ((${letter} - 1) % ${PER_USER}) END`
  for (let from = 1; from <= messages; from += STEP) {
    progress(`${database.provider}: ${from - 1} of ${messages} messages`)
    const to = Math.min(messages, from + STEP - 1)
    await run(`INSERT INTO chat_messages (id, conversation, seq, sender_id, sender_seq, text, type, created_at)
      ${numbers(from, to)} SELECT 'message-' || i, conversation, seq, ${sender('conversation')}, (seq + 1) / 2, 'a message as people send them, of some sixty characters, ' || i, 'text', ${START} + i
      FROM (SELECT ${place} FROM n) k`)
    await run(`INSERT INTO chat_events (conversation, seq, position, type, user_id, message_seq, created_at)
      ${numbers(from, to)} SELECT conversation, seq + 1, ${conversations} + i, 'message', ${sender('conversation')}, seq, ${START} + i
      FROM (SELECT ${place} FROM n) k`)
  }
  await run(`UPDATE chat_meta SET position = ${conversations + messages}`)
}

/** Gives each message what it can have beside its text. */
async function enrich (database: Database): Promise<void> {
  const a = (num: string): string => `'a-' || ((${num} - 1) / ${PER_USER})`
  const b = (num: string): string => `'b-' || ((${num} - 1) % ${PER_USER})`
  const reactions = [[a, '👍'], [b, '👍'], [b, '❤️']] as const
  const statements = [
    `UPDATE chat_messages SET reply_to = CASE WHEN seq > 1 THEN seq - 1 END, reply_count = 1, mentions_all = false, reactions = '[["👍",2],["❤️",1]]',
       mentions = '[["' || CASE WHEN seq % 2 = 1 THEN ${b('conversation')} ELSE ${a('conversation')} END || '",0,9]]', metadata = '{"order":4711}'`,
    `INSERT INTO chat_mentions (conversation, user_id, seq)
     SELECT conversation, CASE WHEN seq % 2 = 1 THEN ${b('conversation')} ELSE ${a('conversation')} END, seq FROM chat_messages`,
    ...reactions.map(([user, emoji]) => `INSERT INTO chat_reactions (conversation, message_seq, user_id, emoji, created_at)
      SELECT conversation, seq, ${user('conversation')}, '${emoji}', created_at FROM chat_messages`)
  ]
  await database.transaction(async sql => { for (const statement of statements) await sql.execute(statement) })
}

/** What autovacuum would have done by the time that tables have grown so large. */
async function tidy (size: Size): Promise<void> {
  await onPostgres(async client => {
    for (const table of ['users', 'conversations', 'participants', 'messages', 'reactions', 'mentions', 'events']) await client.query(`VACUUM ANALYZE "${schemaOf(size)}".chat_${table}`)
  })
}

/** CPU of the connections that our server holds: what PostgreSQL does is done there. */
export async function backendsOf (size: Size): Promise<number[]> {
  return await onPostgres(async client => {
    const { rows } = await client.query<{ pid: number }>('SELECT pid FROM pg_stat_activity WHERE application_name = $1', [schemaOf(size)])
    return rows.map(({ pid }) => pid)
  })
}

export async function dropSchemas (): Promise<void> {
  await onPostgres(async client => {
    const sql = 'SELECT nspname AS name FROM pg_namespace WHERE starts_with(nspname, $1)'
    const { rows } = await client.query<{ name: string }>(sql, [prefixOfSchemas()])
    for (const { name } of rows) await client.query(`DROP SCHEMA "${name}" CASCADE`)
  })
}

async function onPostgres<T> (work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: POSTGRES })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
