// SQL by hand for typing: it is looked up whenever a stream closes, with one statement on two tables.
import type { PrismaReader } from '../reader.js'
import type { Param, Sql } from '../sql.js'
import { select } from '../table.js'
import * as tables from '../tables.js'

/** Maximum number of rows that one round of housekeeping handles. */
const ROUND_MAX = 1000
/** Maximum number of streams of dead nodes that one round handles. */
const STREAMS_MAX = 5000

/** Returns when the token of an open stream expires, as far as any node knows. Undefined if there is no such stream. */
export async function findStreamExpiry (prisma: PrismaReader, streamId: string): Promise<number | null | undefined> {
  const stream = await prisma.stream.findUnique({ where: { id: streamId }, select: { expiresAt: true } })
  if (stream === null) return undefined
  return stream.expiresAt === null ? null : Number(stream.expiresAt)
}

export interface Typist { conversationId: string, userId: string }

const conversation = select(tables.conversations, 'c', ['id'])
const participant = select(tables.participants, 'p', ['userId'])

/** Returns participants whose typing has lapsed. */
export async function findLapsedTyping (read: Sql, now: number): Promise<Typist[]> {
  return await findTypists(read, 'p.typing_until <= ?', now)
}

/** Returns where a user is typing. */
export async function findTypingOf (read: Sql, userId: string): Promise<Typist[]> {
  return await findTypists(read, 'p.typing_until > 0 AND p.user_id = ?', userId)
}

async function findTypists (read: Sql, condition: string, param: Param): Promise<Typist[]> {
  const rows = await read.query(
    `SELECT ${conversation.columns}, ${participant.columns} FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation
     WHERE ${condition} LIMIT ${ROUND_MAX}`, param)
  return rows.map(row => ({ conversationId: conversation.read(row).id, userId: participant.read(row).userId }))
}

/** Returns users whose online status may have lapsed. */
export async function findLapsedOnline (prisma: PrismaReader, now: number): Promise<string[]> {
  const users = await prisma.user.findMany({ where: { onlineUntil: { lte: now } }, select: { id: true }, take: ROUND_MAX })
  return users.map(({ id }) => id)
}

export interface DeadNode { nodeId: string, streams: Array<{ id: string, userId: string }> }

/** Returns processes whose lease has lapsed, with the streams that they left behind. */
export async function findDeadNodes (prisma: PrismaReader, now: number): Promise<DeadNode[]> {
  const nodes = await prisma.node.findMany({ where: { expiresAt: { lte: now } }, select: { id: true } })
  if (nodes.length === 0) return []
  const streams = await prisma.stream.findMany({
    where: { nodeId: { in: nodes.map(({ id }) => id) } }, select: { id: true, userId: true, nodeId: true }, take: STREAMS_MAX
  })
  return nodes.map(({ id }) => ({ nodeId: id, streams: streams.filter(({ nodeId }) => nodeId === id) }))
}
