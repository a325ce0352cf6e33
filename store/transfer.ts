// SQL by hand: whole tables in one transaction, with one parameter per page. A row costs 2 µs of CPU; Prisma's createMany, 200.
import type { Database } from './database.js'
import type { Param, Sql } from './sql.js'
import { columnOf, columnTypes, depthOf, select, type Table } from './table.js'
import * as tables from './tables.js'

/** Tables that are copied, those that others refer to first. The target has its row of `chat_meta` already, which is updated. */
const copied = (Object.values(tables) as Array<Table<unknown>>).filter(({ isCopied }) => isCopied).sort((a, b) => depthOf(a) - depthOf(b))

const meta = select(tables.meta, 'm', ['position'])

const PAGE = 1000

/** Why nothing was copied, in one line. */
export class TransferError extends Error {
  override name = 'TransferError'
}

/**
 * Copies a chat into an empty database, whole or not at all, with its identity: event ids stay valid. Who is online and
 * who is typing follows from what is open afterwards.
 *
 * @returns number of rows by table
 * @throws {TransferError} when the source is in use, or the target is not empty
 */
export async function transfer (source: Database, target: Database): Promise<Record<string, number>> {
  const running = await source.prisma.node.findFirst({ where: { expiresAt: { gt: source.clock.ticks() } } })
  if (running !== null) throw new TransferError('A server is running on the source (or has just crashed): stop it, wait half a minute, and try again')
  return await target.transaction(async sql => {
    // The lock makes a server wait that starts meanwhile.
    const [row] = await sql.query(`SELECT ${meta.columns} FROM chat_meta m WHERE m.id = 1 ${target.dialect.lock}`)
    const [user] = await sql.query('SELECT 1 FROM chat_users LIMIT 1')
    if (meta.read(row).position > 0 || user !== undefined) throw new TransferError('The target holds a chat already')
    const counts: Record<string, number> = {}
    for (const table of copied) counts[table.name] = await copy(table, source, sql, target)
    const { position } = await source.prisma.meta.findFirstOrThrow()
    await sql.execute('UPDATE chat_meta SET identity = ?, position = ? WHERE id = 1', source.identity, Number(position))
    await sql.execute('UPDATE chat_users SET is_online = false, online_until = NULL')
    await sql.execute('UPDATE chat_participants SET typing_until = NULL')
    if (target.provider === 'postgresql') {
      await sql.query('SELECT setval(pg_get_serial_sequence(\'chat_conversations\', \'num\'), max(num)) FROM chat_conversations')
    }
    return counts
  })
}

async function copy (table: Table<unknown>, source: Database, sql: Sql, target: Database): Promise<number> {
  const { name } = table
  const key = table.key.map(columnOf)
  const columns = columnTypes(table)
  const names = Object.keys(columns)
  const place = (values: unknown[]): string => values.map(() => '?').join(', ')
  let count = 0
  let last: Param[] = []
  while (true) {
    const after = last.length === 0 ? '' : `WHERE (${key.join(', ')}) > (${place(key)})`
    const rows = await source.read.query<Record<string, Param>>(
      `SELECT ${names.join(', ')} FROM ${name} ${after} ORDER BY ${key.join(', ')} LIMIT ${PAGE}`, ...last)
    const end = rows.at(-1)
    if (end === undefined) return count
    await sql.execute(`INSERT INTO ${name} (${names.join(', ')}) SELECT * FROM ${target.dialect.table(columns)} k`,
      JSON.stringify(rows.map(row => names.map(column => plain(row[column])))))
    count += rows.length
    last = key.map(column => plain(end[column]))
  }
}

/** Instants and positions are below 2^53. */
const plain = (value: Param | undefined): Param => typeof value === 'bigint' ? Number(value) : value ?? null
