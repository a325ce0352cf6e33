// SQL by hand for taking a ticket: it can be taken only once, and only a transaction knows whether it was.
import type { Prisma } from './prisma.js'
import type { Sql } from './sql.js'
import { select, type RowOf } from './table.js'
import * as tables from './tables.js'

export type TicketRow = RowOf<typeof tables.tickets>

const holder = select(tables.tickets, 'chat_tickets', ['userId', 'conversationId', 'tokenExpiresAt'])

export async function deleteExpiredTickets (prisma: Prisma, ticks: number): Promise<void> {
  await prisma.ticket.deleteMany({ where: { expiresAt: { lte: ticks } } })
}

/** Number of a user's tickets, at most `max`. */
export async function countTickets (prisma: Prisma, userId: string, max: number): Promise<number> {
  return await prisma.ticket.count({ where: { userId }, take: max })
}

/** Adds the ticket, unless it is there already: the statement may be repeated. */
export async function putTicket (prisma: Prisma, ticket: TicketRow): Promise<void> {
  await prisma.ticket.upsert({ where: { id: ticket.id }, create: ticket, update: { expiresAt: ticket.expiresAt } })
}

/** Deletes the ticket, which succeeds for one caller only. @returns undefined if there is no such ticket, or it has expired */
export async function takeTicket (
  sql: Sql, id: string, ticks: number
): Promise<Pick<TicketRow, 'userId' | 'conversationId' | 'tokenExpiresAt'> | undefined> {
  const [row] = await sql.query(`DELETE FROM chat_tickets WHERE id = ? AND expires_at > ? RETURNING ${holder.columns}`, id, ticks)
  return row === undefined ? undefined : holder.read(row)
}
