// SQL by hand: one statement for the participants of many conversations. Runs for every list.
import type { Participant } from '../../schemas/conversations.js'
import type { Database } from '../database.js'
import { select } from '../table.js'
import * as tables from '../tables.js'
import { readSeen, seenColumns } from './users.js'

const participant = select(tables.participants, 'p', ['conversation', 'role', 'deliveredSeq', 'readSeq'])

const SELECT = `SELECT ${participant.columns}, ${seenColumns} FROM chat_participants p JOIN chat_users u ON u.id = p.user_id`

/**
 * Returns the first participants of each conversation, at most `max`, in the order of joining, as one of them sees them. The key is the
 * conversation's number.
 */
export async function findParticipants (
  { read, dialect }: Database, conversations: ReadonlyArray<{ num: number, participantCount: number }>, viewerId: string, max: number
): Promise<Map<number, Participant[]>> {
  const small = conversations.filter(({ participantCount }) => participantCount <= max).map(({ num }) => [num])
  const large = conversations.filter(({ participantCount }) => participantCount > max)
  const pages = await Promise.all([
    small.length === 0
      ? []
      : read.query(`${SELECT} WHERE p.conversation IN (SELECT k.num FROM ${dialect.table({ num: 'int' })} k) ORDER BY p.joined_at, p.user_id`,
        viewerId, viewerId, JSON.stringify(small)),
    ...large.map(async ({ num }) => await read.query(`${SELECT} WHERE p.conversation = ? ORDER BY p.joined_at, p.user_id LIMIT ?`,
      viewerId, viewerId, num, max))
  ])
  const found = new Map<number, Participant[]>()
  for (const row of pages.flat()) {
    const { conversation, ...seen } = participant.read(row)
    const list = found.get(conversation) ?? []
    found.set(conversation, list)
    list.push({ ...readSeen(row), ...seen })
  }
  return found
}
