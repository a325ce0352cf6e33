import type { Param, Sql } from '../sql.js'

/** When the token of an open stream expires, as far as is known on any node; undefined where there is no such stream. */
export async function findStreamExpiry (read: Sql, streamId: string): Promise<number | null | undefined> {
  const [row] = await read.query<{ expires_at: bigint | null }>('SELECT expires_at FROM chat_streams WHERE id = ?', streamId)
  if (row === undefined) return undefined
  return row.expires_at === null ? null : Number(row.expires_at)
}

/** Participants whose typing is over. */
export async function findLapsedTyping (read: Sql, now: number): Promise<Typist[]> {
  return await findTypists(read, 'p.typing_until <= ?', now)
}

/** Where a user is typing. */
export async function findTypingOf (read: Sql, userId: string): Promise<Typist[]> {
  return await findTypists(read, 'p.typing_until > 0 AND p.user_id = ?', userId)
}

export interface Typist { conversationId: string, userId: string }

async function findTypists (read: Sql, condition: string, param: Param): Promise<Typist[]> {
  const rows = await read.query<{ id: string, user_id: string }>(
    `SELECT c.id, p.user_id FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation WHERE ${condition} LIMIT 1000`, param)
  return rows.map(row => ({ conversationId: row.id, userId: row.user_id }))
}

/** Users whose being online may be over. */
export async function findLapsedOnline (read: Sql, now: number): Promise<string[]> {
  const rows = await read.query<{ id: string }>('SELECT id FROM chat_users WHERE online_until <= ? LIMIT 1000', now)
  return rows.map(row => row.id)
}

export interface DeadNode { nodeId: string, streams: Array<{ id: string, userId: string }> }

/** What processes whose lease has lapsed have left. */
export async function findDeadNodes (read: Sql, now: number): Promise<DeadNode[]> {
  const rows = await read.query<{ node_id: string, id: string | null, user_id: string }>(
    `SELECT n.id AS node_id, s.id, s.user_id FROM chat_nodes n LEFT JOIN chat_streams s ON s.node_id = n.id
     WHERE n.expires_at <= ? LIMIT 5000`, now)
  const nodes = new Map<string, DeadNode['streams']>()
  for (const { node_id: nodeId, id, user_id: userId } of rows) {
    const streams = nodes.get(nodeId) ?? []
    nodes.set(nodeId, streams)
    if (id !== null) streams.push({ id, userId })
  }
  return Array.from(nodes, ([nodeId, streams]) => ({ nodeId, streams }))
}
