import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

/** A row of the event log, with the message that it points at. */
export interface LogRow {
  conversationId: string
  seq: number
  position: number
  type: string
  userId: string
  detail: string | null
  messageId: string | null
  messageSeq: number | null
}

export interface MessageRow {
  conversationId: string
  id: string
  seq: number
  senderId: string
  clientId: string | null
  text: string
  deletedAt: number | null
}

export interface ConversationRow { id: string, num: number, eventSeq: number, messageSeq: number }
export interface ParticipantRow { conversationId: string, userId: string, joinedSeq: number, deliveredSeq: number, readSeq: number }

/** Everything that the servers have written, read directly from the database. */
export interface Snapshot {
  identity: string
  conversations: ConversationRow[]
  participants: ParticipantRow[]
  messages: MessageRow[]
  log: LogRow[]
}

/** The servers' database, as the harness sees it. */
export interface HarnessDatabase {
  snapshot(): Promise<Snapshot>
  /** Rows of the log after this position, in commit order. */
  logAfter(position: number): Promise<LogRow[]>
  /** Rows of streams that count as open. */
  openStreams(): Promise<number>
  /** The position of the newest transaction in the log. */
  position(): Promise<number>
  /** Ids of a conversation's messages that grow. */
  growing(conversationId: string): Promise<string[]>
  /** Keeps all writers out until it is released. */
  lock(): Promise<() => unknown>
  /** Waits for the next commit (on SQLite, this blocks the process). False if there was none in time. */
  waitForCommit(timeoutMs: number): Promise<boolean>
  /** Closes it, and drops what belongs to the run. */
  close(): Promise<void>
}

const logRows = `SELECT c.id AS "conversationId", e.seq, e.position, e.type, e.user_id AS "userId", e.detail, m.id AS "messageId", e.message_seq AS "messageSeq"
  FROM chat_events e JOIN chat_conversations c ON c.num = e.conversation
  LEFT JOIN chat_messages m ON m.conversation = e.conversation AND m.seq = e.message_seq`

const queries = {
  identity: 'SELECT identity FROM chat_meta',
  conversations: 'SELECT id, num, event_seq AS "eventSeq", message_seq AS "messageSeq" FROM chat_conversations ORDER BY num',
  participants: `SELECT c.id AS "conversationId", p.user_id AS "userId", p.joined_seq AS "joinedSeq", p.delivered_seq AS "deliveredSeq", p.read_seq AS "readSeq"
    FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation`,
  messages: `SELECT c.id AS "conversationId", m.id, m.seq, m.sender_id AS "senderId", m.client_id AS "clientId", m.text, m.deleted_at AS "deletedAt"
    FROM chat_messages m JOIN chat_conversations c ON c.num = m.conversation ORDER BY m.conversation, m.seq`,
  log: `${logRows} ORDER BY e.conversation, e.seq`,
  logAfter: (position: number) => `${logRows} WHERE e.position > ${position} ORDER BY e.position, e.conversation, e.seq`,
  growing: (conversationId: string) => `SELECT m.id FROM chat_messages m JOIN chat_conversations c ON c.num = m.conversation
    WHERE c.id = '${conversationId.replaceAll('\'', '\'\'')}' AND m.growing_until > 0 AND m.deleted_at IS NULL`,
  openStreams: 'SELECT count(*) AS count FROM chat_streams',
  position: 'SELECT position FROM chat_meta'
}

type Rows = Array<Record<string, unknown>>

/** The driver of PostgreSQL returns bigints as text. */
const numbers = (rows: Rows, ...columns: string[]): never => rows.map(row =>
  ({ ...row, ...Object.fromEntries(columns.map(column => [column, row[column] === null ? null : Number(row[column])])) })) as never

const logOf = (rows: Rows): LogRow[] => numbers(rows, 'seq', 'position', 'messageSeq')

async function snapshotBy (query: (sql: string) => Promise<Rows> | Rows): Promise<Snapshot> {
  return {
    identity: String((await query(queries.identity))[0]!.identity),
    conversations: numbers(await query(queries.conversations), 'num', 'eventSeq', 'messageSeq'),
    participants: numbers(await query(queries.participants), 'joinedSeq', 'deliveredSeq', 'readSeq'),
    messages: numbers(await query(queries.messages), 'seq', 'deletedAt'),
    log: logOf(await query(queries.log))
  }
}

export async function openHarnessDatabase (url: string): Promise<HarnessDatabase> {
  return url.startsWith('file:') ? openSqlite(url.slice('file:'.length).split('?')[0]!) : await openPostgres(url)
}

/** The part of the driver of Prisma's adapter that is used here. */
interface SqliteDriver {
  prepare(sql: string): { all(): Rows }
  exec(sql: string): void
  pragma(pragma: string, options: { simple: true }): unknown
  close(): void
}
const require = createRequire(import.meta.url)
const Driver = createRequire(require.resolve('@prisma/adapter-better-sqlite3'))('better-sqlite3') as new (file: string, options: { timeout: number }) => SqliteDriver

/** SQLite: another process on the same file. */
export function openSqlite (file: string): HarnessDatabase {
  const reader = new Driver(file, { timeout: 10_000 })
  return {
    snapshot: async () => await snapshotBy(sql => reader.prepare(sql).all()),
    logAfter: async position => logOf(reader.prepare(queries.logAfter(position)).all()),
    growing: async conversationId => reader.prepare(queries.growing(conversationId)).all().map(({ id }) => String(id)),
    openStreams: async () => Number(reader.prepare(queries.openStreams).all()[0]!.count),
    position: async () => Number(reader.prepare(queries.position).all()[0]!.position),
    lock: async () => await lockSqlite(file),
    async waitForCommit (timeoutMs) {
      const before = reader.pragma('data_version', { simple: true })
      const deadline = performance.now() + timeoutMs
      while (reader.pragma('data_version', { simple: true }) === before) if (performance.now() > deadline) return false
      return true
    },
    close: async () => { reader.close() }
  }
}

/** Takes SQLite's lock from another process, like a backup or a person at the shell, once it is free. The result releases it. */
export async function lockSqlite (file: string): Promise<() => void> {
  const holder = new Driver(file, { timeout: 0 })
  for (;;) {
    try {
      holder.exec('BEGIN EXCLUSIVE')
      break
    } catch (error) {
      if (!String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) throw error
      await sleep(1)
    }
  }
  return () => {
    holder.exec('COMMIT')
    holder.close()
  }
}

/** A schema that belongs to the run. */
export function withSchema (url: string, schema: string): string {
  const own = new URL(url)
  own.searchParams.set('schema', schema)
  return own.href
}

/** The application name that distinguishes the harness's sessions from those of the servers. */
export const HARNESS = 'chaos harness'
/** Opened at the start and kept: while the database refuses connections, there is no other. */
const SESSIONS = 6

async function openPostgres (url: string): Promise<HarnessDatabase> {
  const plain = new URL(url)
  const schema = plain.searchParams.get('schema')!
  plain.search = ''
  const pool = new pg.Pool({ connectionString: plain.href, max: SESSIONS, idleTimeoutMillis: 0, application_name: HARNESS, options: `-c search_path=${schema}` })
  pool.on('error', () => {})
  const query = async (sql: string): Promise<Rows> => (await pool.query<Record<string, unknown>>(sql)).rows
  await Promise.all(Array.from({ length: SESSIONS }, async () => await query('SELECT pg_sleep(0.1)')))
  const position = async (): Promise<number> => Number((await query(queries.position))[0]!.position)
  return {
    snapshot: async () => await snapshotBy(query),
    logAfter: async position => logOf(await query(queries.logAfter(position))),
    growing: async conversationId => (await query(queries.growing(conversationId))).map(({ id }) => String(id)),
    openStreams: async () => Number((await query(queries.openStreams))[0]!.count),
    position,
    async lock () {
      const client = await pool.connect()
      await client.query('BEGIN; LOCK TABLE chat_meta IN ACCESS EXCLUSIVE MODE')
      return async () => {
        await client.query('COMMIT')
        client.release()
      }
    },
    async waitForCommit (timeoutMs) {
      const before = await position()
      const deadline = performance.now() + timeoutMs
      while (await position() === before) if (performance.now() > deadline) return false
      return true
    },
    async close () {
      await query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await pool.end()
    }
  }
}
