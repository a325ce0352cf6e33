// SQL by hand: housekeeping looks every few seconds, and streams that begin all at once share an answer.
import type { Sql } from '../sql.js'
import { select } from '../table.js'
import * as tables from '../tables.js'

/** Maximum number of messages that one round of housekeeping handles. */
const ROUND_MAX = 1000

const message = select(tables.messages, 'm', ['id', 'senderId', 'text'])

/**
 * The conversations where a message grows: for `c.num IN ${GROWING}`. The partial index makes this a look at what grows anywhere, which is
 * nothing most of the time.
 */
export const GROWING = '(SELECT g.conversation FROM chat_messages g WHERE g.growing_until > 0)'

export interface GrowingMessage { messageId: string, senderId: string, text: string }

/** Returns the messages of a conversation that grow, oldest first. */
export async function findGrowing (read: Sql, conversationId: string): Promise<GrowingMessage[]> {
  // The sum keeps the planner from reading all messages of the conversation.
  const rows = await read.query(
    `SELECT ${message.columns} FROM chat_messages m WHERE m.growing_until > 0
       AND m.conversation + 0 = (SELECT c.num FROM chat_conversations c WHERE c.id = ?) ORDER BY m.seq`, conversationId)
  return rows.map(row => {
    const { id: messageId, senderId, text } = message.read(row)
    return { messageId, senderId, text }
  })
}

/** Returns messages to which nothing was appended for too long, each with somebody who takes part in its conversation. */
export async function findSilent (read: Sql, now: number): Promise<Array<{ messageId: string, participantId: string }>> {
  const rows = await read.query<{ id: string, user_id: string }>(
    `SELECT m.id, min(p.user_id) AS user_id FROM chat_messages m JOIN chat_participants p ON p.conversation = m.conversation
     WHERE m.growing_until > 0 AND m.growing_until <= ? GROUP BY m.id LIMIT ${ROUND_MAX}`, now)
  return rows.map(({ id: messageId, user_id: participantId }) => ({ messageId, participantId }))
}
