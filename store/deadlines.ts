import type { Prisma } from './prisma.js'
import type { Sql } from './sql.js'

/** How far ahead a deadline can be at most, in milliseconds. */
export interface DeadlineLimits {
  typing: number
  online: number
  lease: number
  ticket: number
  file: number
  follower: number
}

/** Nodes know the shared clock to within less than this, in milliseconds. */
export const CLOCK_ERROR_MS = 1000

/**
 * Moves back deadlines that are further ahead than they can have been set to, as if they were set now. They were set by
 * another clock: the machine was started again, or the database server's clock was set back.
 */
export async function clampDeadlines (prisma: Prisma, ticks: number, limits: DeadlineLimits): Promise<void> {
  const tooFar = (limit: number): { gt: number } => ({ gt: ticks + limit + CLOCK_ERROR_MS })
  await prisma.node.updateMany({ where: { expiresAt: tooFar(limits.lease) }, data: { expiresAt: ticks + limits.lease } })
  await prisma.user.updateMany({ where: { onlineUntil: tooFar(limits.online) }, data: { onlineUntil: ticks + limits.online } })
  await prisma.participant.updateMany({ where: { typingUntil: tooFar(limits.typing) }, data: { typingUntil: ticks + limits.typing } })
  await prisma.ticket.updateMany({ where: { expiresAt: tooFar(limits.ticket) }, data: { expiresAt: ticks + limits.ticket } })
  await prisma.follower.updateMany({ where: { leaseUntil: tooFar(limits.follower) }, data: { leaseUntil: ticks + limits.follower } })
  await prisma.storedFile.updateMany({ where: { expiresAt: tooFar(limits.file) }, data: { expiresAt: ticks + limits.file } })
}

/** The same for messages that grow. Only a statement by hand uses the partial index. */
export async function clampGrowing (sql: Sql, ticks: number, limit: number): Promise<void> {
  await sql.execute('UPDATE chat_messages SET growing_until = ? WHERE growing_until > 0 AND growing_until > ?',
    ticks + limit, ticks + limit + CLOCK_ERROR_MS)
}
