import type { Sql } from './sql.js'
import { select, type RowOf } from './table.js'
import * as tables from './tables.js'

/** A running process. Its streams count until its lease lapses, by the clock of deadlines (see `SharedClock`). */
export type NodeRow = RowOf<typeof tables.nodes>

const node = select(tables.nodes, 'n')

export async function findNodesOn (sql: Sql, host: string): Promise<NodeRow[]> {
  return (await sql.query(`SELECT ${node.columns} FROM chat_nodes n WHERE n.host = ?`, host)).map(node.read)
}

/** Adds the node, or sets the end of its lease. */
export async function putNode (sql: Sql, { id, host, pid, expiresAt }: NodeRow): Promise<void> {
  await sql.execute(`INSERT INTO chat_nodes (id, host, pid, expires_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at`, id, host, pid, expiresAt)
}

/** @returns false where the lease has lapsed */
export async function renewNode (sql: Sql, id: string, expiresAt: number, ticks: number): Promise<boolean> {
  return await sql.execute('UPDATE chat_nodes SET expires_at = ? WHERE id = ? AND expires_at > ?', expiresAt, id, ticks) > 0
}

export async function endNode (sql: Sql, id: string): Promise<void> {
  await sql.execute('UPDATE chat_nodes SET expires_at = 0 WHERE id = ?', id)
}

/** Deletes the node with its streams. */
export async function deleteNode (sql: Sql, id: string): Promise<void> {
  await sql.execute('DELETE FROM chat_nodes WHERE id = ?', id)
}

/** Deletes a node whose lease has lapsed and that has no streams. */
export async function deleteEmptyNode (sql: Sql, id: string, ticks: number): Promise<void> {
  await sql.execute('DELETE FROM chat_nodes WHERE id = ? AND expires_at <= ? AND NOT EXISTS (SELECT 1 FROM chat_streams WHERE node_id = chat_nodes.id)', id, ticks)
}
