// SQL by hand: a lease is taken on a condition of another table, and all followers of a node are written by one statement.
import type { Prisma } from './prisma.js'
import type { Dialect, Sql } from './sql.js'
import { insert, keyed, perDialect, select, update, write, type RowOf } from './table.js'
import * as tables from './tables.js'

export type FollowerRow = RowOf<typeof tables.followers>

const follower = select(tables.followers, 'f')
const meta = select(tables.meta, 'm', ['position'])

/** Whether nobody else leads the follower: its lease has lapsed, or the node that held it has died. */
const isFree = `(f.node_id IS NULL OR f.node_id = ? OR f.lease_until <= ?
  OR NOT EXISTS (SELECT 1 FROM chat_nodes n WHERE n.id = f.node_id AND n.expires_at > ?))`

const statements = perDialect(dialect => ({
  insert: insert(tables.followers, dialect, ['name', 'position'], 'ON CONFLICT DO NOTHING'),
  take: `UPDATE chat_followers AS f SET node_id = ?, lease_until = ?
    WHERE f.name IN (SELECT k.name FROM ${keyed(tables.followers, dialect, ['name'])} k) AND ${isFree}`,
  write: update(tables.followers, dialect, ['name', 'nodeId'], ['position', 'state', 'leaseUntil'])
}))

/** All followers, and whether this node could lead them. */
export async function findFollowers (sql: Sql, nodeId: string, ticks: number): Promise<Array<FollowerRow & { isFree: boolean }>> {
  const rows = await sql.query<{ free: unknown }>(
    `SELECT ${follower.columns}, ${isFree} AS free FROM chat_followers f ORDER BY f.name`, nodeId, ticks, ticks)
  return rows.map(row => ({ ...follower.read(row), isFree: Boolean(row.free) }))
}

/** The newest position of the log. */
export async function findNewestPosition (sql: Sql): Promise<number> {
  const [row] = await sql.query(`SELECT ${meta.columns} FROM chat_meta m WHERE m.id = 1`)
  return meta.read(row).position
}

/** Adds followers that are not there yet. */
export async function addFollowers (sql: Sql, dialect: Dialect, rows: ReadonlyArray<Pick<FollowerRow, 'name' | 'position'>>): Promise<void> {
  await write(sql, statements(dialect).insert, rows)
}

/** Takes the lease of those that nobody else leads. @returns those that this node leads now */
export async function takeFollowers (
  sql: Sql, dialect: Dialect, names: readonly string[], { nodeId, leaseUntil, ticks }: { nodeId: string, leaseUntil: number, ticks: number }
): Promise<FollowerRow[]> {
  await sql.execute(statements(dialect).take, nodeId, leaseUntil, JSON.stringify(names.map(name => [name])), nodeId, ticks, ticks)
  const rows = await sql.query(`SELECT ${follower.columns} FROM chat_followers f WHERE f.node_id = ?`, nodeId)
  return rows.map(row => follower.read(row)).filter(({ name }) => names.includes(name))
}

/** Writes how far followers are, and renews their leases, where the node still has them. */
export async function writeFollowers (sql: Sql, dialect: Dialect, rows: ReadonlyArray<Omit<FollowerRow, 'gap'>>): Promise<void> {
  await write(sql, statements(dialect).write, rows)
}

/** Ends a node's leases. */
export async function releaseFollowers (prisma: Prisma, nodeId: string): Promise<void> {
  await prisma.follower.updateMany({ where: { nodeId }, data: { nodeId: null } })
}

/** Says how far a follower is, and ends the lease of the node that leads it. */
export async function releaseFollower (prisma: Prisma, name: string, { position, state }: Pick<FollowerRow, 'position' | 'state'>): Promise<void> {
  await prisma.follower.updateMany({ where: { name }, data: { position, state, nodeId: null } })
}

export async function deleteFollowers (prisma: Prisma, names: string[]): Promise<void> {
  await prisma.follower.deleteMany({ where: { name: { in: names } } })
}

/**
 * The lowest position of any follower that the log is kept for. If there is none, above all positions. One that has missed events, and that no
 * node has led since an instant, is left out: it is no longer in use.
 */
export async function findHeldPosition (sql: Sql, ledSince: number): Promise<number> {
  const [row] = await sql.query<{ position: number | bigint | null }>(
    'SELECT min(position) AS position FROM chat_followers WHERE NOT (gap AND lease_until < ?)', ledSince)
  return row?.position == null ? Number.MAX_SAFE_INTEGER : Number(row.position)
}
