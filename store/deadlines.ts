// SQL by hand: each start runs these statements, and Prisma would take several milliseconds of CPU for each to plan it.
import type { Sql } from './sql.js'
import { columnIn } from './table.js'
import * as tables from './tables.js'

/** How far ahead a deadline can be at most, in milliseconds. */
export interface DeadlineLimits {
  typing: number
  online: number
  lease: number
  ticket: number
  file: number
  follower: number
  growing: number
}

/** Nodes know the shared clock to within less than this, in milliseconds. */
export const CLOCK_ERROR_MS = 1000

const deadlines: Record<keyof DeadlineLimits, { table: string, column: string, where?: string }> = {
  typing: { table: tables.participants.name, column: columnIn(tables.participants, 'typingUntil') },
  online: { table: tables.users.name, column: columnIn(tables.users, 'onlineUntil') },
  lease: { table: tables.nodes.name, column: columnIn(tables.nodes, 'expiresAt') },
  ticket: { table: tables.tickets.name, column: columnIn(tables.tickets, 'expiresAt') },
  file: { table: tables.files.name, column: columnIn(tables.files, 'expiresAt') },
  follower: { table: tables.followers.name, column: columnIn(tables.followers, 'leaseUntil') },
  // For the partial index
  growing: { table: tables.messages.name, column: columnIn(tables.messages, 'growingUntil'), where: 'growing_until > 0 AND' }
}

/**
 * Moves back deadlines that are further ahead than they can have been set to, as if they were set now. They were set by
 * another clock: the machine was started again, or the database server's clock was set back.
 */
export async function clampDeadlines (sql: Sql, ticks: number, limits: DeadlineLimits): Promise<void> {
  for (const [kind, { table, column, where = '' }] of Object.entries(deadlines)) {
    const latest = ticks + limits[kind as keyof DeadlineLimits]
    await sql.execute(`UPDATE ${table} SET ${column} = ? WHERE ${where} ${column} > ?`, latest, latest + CLOCK_ERROR_MS)
  }
}
