// SQL by hand: one statement for all commands of a transaction.
import { lookup } from './sql.js'
import { lookupBy, perDialect, select } from './table.js'
import { fieldsOfConversations, fieldsOfParticipants } from './rows.js'
import * as tables from './tables.js'

export const conversation = select(tables.conversations, 'c', fieldsOfConversations)
export const participant = select(tables.participants, 'p', fieldsOfParticipants)
export const unreadMark = select(tables.participants, 'p', ['unreadFrom'])
export const profile = select(tables.users, 'u', ['displayName', 'avatar', 'isBot'])
export const profileWithId = select(tables.users, 'u', ['id', 'displayName', 'avatar', 'isBot'])
export const user = select(tables.users, 'u')
export const message = select(tables.messages, 'm')
export const stream = select(tables.streams, 's')

/** A participant as selected. The alias `of` has the conversation and the user, who need not participate. */
export interface Placed { conversation: number, user_id: string, sender_seq: number | null, blocked?: boolean | number }

export const selectPlaced = (of: 'k' | 'p'): string => `SELECT ${of}.conversation, ${of}.user_id, ${participant.columns}, ${unreadMark.columns}, ${profile.columns},
  (SELECT m.sender_seq FROM chat_messages m WHERE m.conversation = ${of}.conversation AND m.sender_id = ${of}.user_id
   ORDER BY m.seq DESC LIMIT 1) AS sender_seq`

const blocks = (one: string, other: string): string =>
  `(SELECT 1 FROM chat_blocks b WHERE b.user_id = ${one}.user_id AND b.blocked_id = ${other}.user_id LIMIT 1) IS NOT NULL`

/**
 * Whether, in the direct conversation of `k`, the user blocks the other one or is blocked. Scalar subqueries, since PostgreSQL hashes what an
 * EXISTS may find: everybody who blocks the user.
 */
const isBlocked = `(SELECT 1 FROM chat_participants o WHERE o.conversation = k.conversation AND o.user_id <> k.user_id
  AND (${blocks('k', 'o')} OR ${blocks('o', 'k')}) LIMIT 1) IS NOT NULL`

/** The conversation, if the user of `k` participates in it. With a join, PostgreSQL would scan all participants of small groups. */
const ownConversation = (num: string): string =>
  `(SELECT p.conversation FROM chat_participants p WHERE p.conversation = ${num} AND p.user_id = k.user_id)`

/** The number of a conversation that is wanted. */
export const wanted = perDialect(dialect => ({
  participants: lookup(dialect, { id: 'text', user_id: 'text' }, keys => `SELECT ${ownConversation('c.num')} FROM ${keys} k JOIN chat_conversations c ON c.id = k.id`),
  messages: lookup(dialect, { id: 'text', user_id: 'text' }, keys => `SELECT ${ownConversation('m.conversation')} FROM ${keys} k JOIN chat_messages m ON m.id = k.id`),
  directs: lookup(dialect, { id: 'text' }, keys => `SELECT c.num FROM ${keys} k JOIN chat_conversations c ON c.id = k.id`)
}))

export const statements = perDialect(dialect => ({
  participants: lookup(dialect, { conversation: 'int', user_id: 'text', is_direct: 'boolean' }, keys =>
    `${selectPlaced('k')}, CASE WHEN k.is_direct THEN ${isBlocked} ELSE false END AS blocked
     FROM ${keys} k LEFT JOIN chat_participants p ON p.conversation = k.conversation AND p.user_id = k.user_id
     LEFT JOIN chat_users u ON u.id = p.user_id`),
  present: lookupBy(tables.participants, dialect, ['conversation', 'userId'], keys =>
    `SELECT k.conversation, ${profileWithId.columns} FROM ${keys} k
     JOIN chat_participants p ON p.conversation = k.conversation AND p.user_id = k.user_id JOIN chat_users u ON u.id = p.user_id`),
  messages: lookup(dialect, { id: 'text', user_id: 'text' }, keys =>
    `SELECT ${message.columns} FROM ${keys} k JOIN chat_messages m ON m.id = k.id WHERE m.conversation = ${ownConversation('m.conversation')}`),
  messagesIn: lookupBy(tables.messages, dialect, ['id', 'conversation'], keys =>
    `SELECT ${message.columns} FROM ${keys} k JOIN chat_messages m ON m.id = k.id AND m.conversation = k.conversation`),
  messagesAt: lookupBy(tables.messages, dialect, ['conversation', 'seq'], keys =>
    `SELECT ${message.columns} FROM ${keys} k JOIN chat_messages m ON m.conversation = k.conversation AND m.seq = k.seq`),
  sentAs: lookupBy(tables.messages, dialect, ['conversation', 'senderId', 'clientId'], keys =>
    `SELECT ${message.columns} FROM ${keys} k
     JOIN chat_messages m ON m.conversation = k.conversation AND m.sender_id = k.sender_id AND m.client_id = k.client_id`)
}))
