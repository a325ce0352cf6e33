// SQL by hand: one statement for all commands of a transaction.
import { lookup } from './sql.js'
import { lookupBy, perDialect, select } from './table.js'
import { fieldsOfConversations, fieldsOfParticipants } from './rows.js'
import * as tables from './tables.js'

export const conversation = select(tables.conversations, 'c', fieldsOfConversations)
export const conversationNum = select(tables.conversations, 'c', ['num'])
export const participant = select(tables.participants, 'p', fieldsOfParticipants)
export const unreadMark = select(tables.participants, 'p', ['unreadFrom'])
export const profile = select(tables.users, 'u', ['displayName', 'avatar', 'isBot'])
export const profileWithId = select(tables.users, 'u', ['id', 'displayName', 'avatar', 'isBot'])
export const user = select(tables.users, 'u')
export const message = select(tables.messages, 'm')
export const stream = select(tables.streams, 's')

/** A participant as selected: of a conversation, and of a user who need not participate. */
export interface Placed { conversation: number, user_id: string, sender_seq: number | null, blocked?: boolean | number }

/** What is selected of a participant `p` and their user `u`. */
export const placed = (num: string, userId: string): string => `${num} AS conversation, ${userId} AS user_id,
  ${participant.columns}, ${unreadMark.columns}, ${profile.columns},
  (SELECT m.sender_seq FROM chat_messages m WHERE m.conversation = ${num} AND m.sender_id = ${userId} ORDER BY m.seq DESC LIMIT 1) AS sender_seq`

const blocks = (one: string, other: string): string =>
  `(SELECT 1 FROM chat_blocks b WHERE b.user_id = ${one}.user_id AND b.blocked_id = ${other}.user_id LIMIT 1) IS NOT NULL`

/**
 * Whether, in a direct conversation, the user of `k` blocks the other one or is blocked. Scalar subqueries, since PostgreSQL hashes what an
 * EXISTS may find: everybody who blocks the user.
 */
const isBlocked = (num: string): string => `(SELECT 1 FROM chat_participants o WHERE o.conversation = ${num} AND o.user_id <> k.user_id
  AND (${blocks('k', 'o')} OR ${blocks('o', 'k')}) LIMIT 1) IS NOT NULL`

const placedInDirect = (num: string, isDirect: string): string =>
  `${placed(num, 'k.user_id')}, CASE WHEN ${isDirect} THEN ${isBlocked(num)} ELSE false END AS blocked`

const joinPlaced = (num: string): string =>
  `LEFT JOIN chat_participants p ON p.conversation = ${num} AND p.user_id = k.user_id LEFT JOIN chat_users u ON u.id = p.user_id`

/** Conversations, each with the user of `k` in it. */
const entered = (from: string): string =>
  `SELECT ${conversation.columns}, ${placedInDirect('c.num', "c.type = 'direct'")} FROM ${from} ${joinPlaced('c.num')}`

/** The conversation, if the user of `k` participates in it. With a join, PostgreSQL would scan all participants of small groups. */
const ownConversation = (num: string): string =>
  `(SELECT p.conversation FROM chat_participants p WHERE p.conversation = ${num} AND p.user_id = k.user_id)`

/** What has to be locked: the number of each conversation, if the caller participates in it. */
export const toLock = perDialect(dialect => ({
  participants: `SELECT ${ownConversation('c.num')} FROM ${dialect.table({ id: 'text', user_id: 'text' })} k JOIN chat_conversations c ON c.id = k.id`,
  messages: `SELECT ${ownConversation('m.conversation')} FROM ${dialect.table({ id: 'text', user_id: 'text' })} k JOIN chat_messages m ON m.id = k.id`,
  directs: `SELECT c.num FROM ${dialect.table({ id: 'text' })} k JOIN chat_conversations c ON c.id = k.id`
}))

export const statements = perDialect(dialect => ({
  entered: lookup(dialect, { id: 'text', user_id: 'text' }, keys => entered(`${keys} k JOIN chat_conversations c ON c.id = k.id`)),
  enteredByMessage: lookup(dialect, { id: 'text', user_id: 'text' }, keys =>
    entered(`${keys} k JOIN chat_messages m ON m.id = k.id JOIN chat_conversations c ON c.num = m.conversation`)),
  directs: lookup(dialect, { id: 'text' }, keys => `SELECT ${conversation.columns} FROM ${keys} k JOIN chat_conversations c ON c.id = k.id`),
  participants: lookup(dialect, { conversation: 'int', user_id: 'text', is_direct: 'boolean' }, keys =>
    `SELECT ${placedInDirect('k.conversation', 'k.is_direct')} FROM ${keys} k ${joinPlaced('k.conversation')}`),
  present: lookupBy(tables.participants, dialect, ['conversation', 'userId'], keys =>
    `SELECT k.conversation, ${profileWithId.columns} FROM ${keys} k
     JOIN chat_participants p ON p.conversation = k.conversation AND p.user_id = k.user_id JOIN chat_users u ON u.id = p.user_id`),
  messages: lookup(dialect, { id: 'text', user_id: 'text' }, keys =>
    `SELECT ${message.columns} FROM ${keys} k JOIN chat_messages m ON m.id = k.id WHERE m.conversation = ${ownConversation('m.conversation')}`),
  replied: lookupBy(tables.messages, dialect, ['id', 'conversation'], keys =>
    `SELECT ${message.columns}, ${profileWithId.columns} FROM ${keys} k JOIN chat_messages m ON m.id = k.id AND m.conversation = k.conversation
     JOIN chat_users u ON u.id = m.sender_id`),
  messagesAt: lookupBy(tables.messages, dialect, ['conversation', 'seq'], keys =>
    `SELECT ${message.columns} FROM ${keys} k JOIN chat_messages m ON m.conversation = k.conversation AND m.seq = k.seq`),
  sentAs: lookup(dialect, { id: 'text', user_id: 'text', client_id: 'text' }, keys =>
    `SELECT ${message.columns} FROM ${keys} k JOIN chat_conversations c ON c.id = k.id
     JOIN chat_messages m ON m.conversation = c.num AND m.sender_id = k.user_id AND m.client_id = k.client_id`)
}))
