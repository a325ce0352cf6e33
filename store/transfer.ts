// SQL by hand: whole tables in pages, each with one parameter.
import type { Database } from './database.js'
import type { Param, Sql } from './sql.js'
import { columnTypes, type Table } from './table.js'
import * as tables from './tables.js'

/** The tables that are carried over, in the order of their references, each with the key that it is read in the order of. */
const carried: ReadonlyArray<{ table: Table<unknown>, key: string[] }> = [
  { table: tables.users, key: ['id'] },
  { table: tables.conversations, key: ['num'] },
  { table: tables.participants, key: ['conversation', 'user_id'] },
  { table: tables.formerParticipants, key: ['conversation', 'delivered_seq', 'user_id'] },
  { table: tables.quotas, key: ['user_id'] },
  { table: tables.messages, key: ['id'] },
  { table: tables.events, key: ['conversation', 'seq'] }
  // what passes with the processes (nodes, streams, tickets, counters) stays behind
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
    for (const { table, key } of carried) counts[table.name] = await copy(table, key, source, sql, target)
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

async function copy (table: Table<unknown>, key: string[], source: Database, sql: Sql, target: Database): Promise<number> {
  const { name } = table
  const columns = columnTypes(table)
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
