import type { Sql } from './sql.js'
import type { RowOf } from './table.js'
import type * as tables from './tables.js'

export type TicketRow = RowOf<typeof tables.tickets>

export async function deleteExpiredTickets (sql: Sql, ticks: number): Promise<void> {
  await sql.execute('DELETE FROM chat_tickets WHERE expires_at <= ?', ticks)
}

/** Number of a user's tickets, at most `max`. */
export async function countTickets (sql: Sql, userId: string, max: number): Promise<number> {
  return (await sql.query('SELECT id FROM chat_tickets WHERE user_id = ? LIMIT ?', userId, max)).length
}

export async function insertTicket (sql: Sql, { id, userId, conversationId, expiresAt, tokenExpiresAt }: TicketRow): Promise<void> {
  await sql.execute('INSERT INTO chat_tickets (id, user_id, conversation_id, expires_at, token_expires_at) VALUES (?, ?, ?, ?, ?)',
    id, userId, conversationId, expiresAt, tokenExpiresAt)
}

/** Deletes the ticket, which only one caller can. @returns what it stood for; undefined where there is none, or it has expired */
export async function takeTicket (sql: Sql, id: string, ticks: number): Promise<Pick<TicketRow, 'userId' | 'conversationId' | 'tokenExpiresAt'> | undefined> {
  const [row] = await sql.query<{ user_id: string, conversation_id: string | null, token_expires_at: bigint | null }>(
    'DELETE FROM chat_tickets WHERE id = ? AND expires_at > ? RETURNING user_id, conversation_id, token_expires_at', id, ticks)
  return row === undefined
    ? undefined
    : { userId: row.user_id, conversationId: row.conversation_id, tokenExpiresAt: row.token_expires_at === null ? null : Number(row.token_expires_at) }
}
