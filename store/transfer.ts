import type { Database } from './database.js'
import type { ColumnType, Param, Sql } from './sql.js'

/** A table that is carried over: its columns, and the key it is read in the order of. */
interface Table {
  name: string
  key: string[]
  columns: Record<string, ColumnType>
}

/** What passes with the processes (nodes, streams, tickets, counters) stays behind. In the order of their references. */
const tables: Table[] = [
  {
    name: 'chat_users',
    key: ['id'],
    columns: { id: 'text', display_name: 'text', avatar: 'text', password_hash: 'text', profile_at: 'bigint', created_at: 'bigint', is_online: 'boolean', is_hidden: 'boolean', online_until: 'bigint', last_seen: 'bigint' }
  },
  {
    name: 'chat_conversations',
    key: ['num'],
    columns: { num: 'int', id: 'text', type: 'text', title: 'text', created_by: 'text', created_at: 'bigint', updated_at: 'bigint', activity: 'bigint', logged_at: 'bigint', message_seq: 'int', event_seq: 'int', pruned_seq: 'int', position: 'bigint', pruned_position: 'bigint', participant_count: 'int' }
  },
  {
    name: 'chat_participants',
    key: ['conversation', 'user_id'],
    columns: { conversation: 'int', user_id: 'text', role: 'text', joined_at: 'bigint', joined_seq: 'int', delivered_seq: 'int', read_seq: 'int', typing_until: 'bigint' }
  },
  {
    name: 'chat_former_participants',
    key: ['conversation', 'delivered_seq', 'user_id'],
    columns: { conversation: 'int', user_id: 'text', joined_seq: 'int', delivered_seq: 'int', read_seq: 'int' }
  },
  {
    name: 'chat_quotas',
    key: ['user_id'],
    columns: { user_id: 'text', conversations: 'int', groups_made: 'int', groups_until: 'bigint' }
  },
  {
    name: 'chat_messages',
    key: ['id'],
    columns: { id: 'text', conversation: 'int', seq: 'int', sender_id: 'text', sender_seq: 'int', client_id: 'text', text: 'text', type: 'text', created_at: 'bigint', edited_at: 'bigint', deleted_at: 'bigint', first_text_hash: 'text' }
  },
  {
    name: 'chat_events',
    key: ['conversation', 'seq'],
    columns: { conversation: 'int', seq: 'int', position: 'bigint', type: 'text', user_id: 'text', message_seq: 'int', detail: 'text', created_at: 'bigint', tag: 'text' }
  }
]

const PAGE = 1000

/** Why nothing was carried over; one line. */
export class TransferError extends Error {
  override name = 'TransferError'
}

/**
 * Carries a chat over into an empty database, whole or not at all, its identity included: ids of events go on being
 * understood. Who is online and who types follows from what is open afterwards.
 *
 * @returns rows by table
 * @throws {TransferError} when the source is in use, or the target isn't empty
 */
export async function transfer (source: Database, target: Database): Promise<Record<string, number>> {
  const [running] = await source.read.query('SELECT 1 FROM chat_nodes WHERE expires_at > ?', source.clock.ticks())
  if (running !== undefined) throw new TransferError('A server is running on the source (or has just crashed): stop it, wait half a minute, and try again')
  return await target.transaction(async sql => {
    // keeps a server that starts meanwhile waiting
    const [meta] = await sql.query<{ position: bigint }>(`SELECT position FROM chat_meta WHERE id = 1 ${target.dialect.lock}`)
    const [user] = await sql.query('SELECT 1 FROM chat_users LIMIT 1')
    if (Number(meta!.position) > 0 || user !== undefined) throw new TransferError('The target holds a chat already')
    const counts: Record<string, number> = {}
    for (const table of tables) counts[table.name] = await copy(table, source, sql, target)
    const [{ position }] = await source.read.query<{ position: bigint }>('SELECT position FROM chat_meta WHERE id = 1') as [{ position: bigint }]
    await sql.execute('UPDATE chat_meta SET identity = ?, position = ? WHERE id = 1', source.identity, Number(position))
    await sql.execute('UPDATE chat_users SET is_online = false, online_until = NULL')
    await sql.execute('UPDATE chat_participants SET typing_until = NULL')
    if (target.provider === 'postgresql') {
      await sql.query('SELECT setval(pg_get_serial_sequence(\'chat_conversations\', \'num\'), max(num)) FROM chat_conversations')
    }
    return counts
  })
}

async function copy ({ name, key, columns }: Table, source: Database, sql: Sql, target: Database): Promise<number> {
  const names = Object.keys(columns)
  const place = (values: unknown[]): string => values.map(() => '?').join(', ')
  let count = 0
  let last: Param[] = []
  while (true) {
    const after = last.length === 0 ? '' : `WHERE (${key.join(', ')}) > (${place(key)})`
    const rows = await source.read.query<Record<string, Param>>(
      `SELECT ${names.join(', ')} FROM ${name} ${after} ORDER BY ${key.join(', ')} LIMIT ${PAGE}`, ...last)
    if (rows.length === 0) return count
    await sql.execute(`INSERT INTO ${name} (${names.join(', ')}) SELECT * FROM ${target.dialect.table(columns)} k`,
      JSON.stringify(rows.map(row => names.map(column => plain(row[column]!)))))
    count += rows.length
    last = key.map(column => plain(rows.at(-1)![column]!))
  }
}

/** Instants and positions are below 2^53. */
const plain = (value: Param): Param => typeof value === 'bigint' ? Number(value) : value
