import type { Sql } from './sql.js'

/** How far ahead a deadline can be at most, in milliseconds. */
export interface DeadlineLimits {
  typing: number
  online: number
  lease: number
  ticket: number
}

/** Nodes know the shared clock to within less than this, in milliseconds. */
export const CLOCK_ERROR_MS = 1000

/**
 * Moves deadlines that are further ahead than they can have been set to where they would be if they were set now: the clock
 * they were set by was another one (the machine was started again, or the database server's clock was set back).
 */
export async function clampDeadlines (sql: Sql, ticks: number, limits: DeadlineLimits): Promise<void> {
  const clamp = async (table: string, column: string, limit: number): Promise<void> => {
    await sql.execute(`UPDATE ${table} SET ${column} = ? WHERE ${column} > ?`, ticks + limit, ticks + limit + CLOCK_ERROR_MS)
  }
  await clamp('chat_nodes', 'expires_at', limits.lease)
  await clamp('chat_users', 'online_until', limits.online)
  await clamp('chat_participants', 'typing_until', limits.typing)
  await clamp('chat_tickets', 'expires_at', limits.ticket)
}
