// SQL by hand: a page of history is the most frequent read.
import type { Message, MessageStatus, OwnMessage, Quote } from '../../schemas/messages.js'
import { isLeftAlone, statusOf } from '../../schemas/status.js'
import type { Profile } from '../../schemas/users.js'
import type { Database } from '../database.js'
import type { Followable } from '../followable.js'
import { findMarks, rangesOf, type Place } from '../marks.js'
import { readMentions, renderMentions, renderMessage, renderQuote, unknownProfile, type Shown } from '../rendering.js'
import { fieldsBut, keyed, select } from '../table.js'
import * as tables from '../tables.js'
import { findOwnReactions } from './reactions.js'
import { findProfiles } from './users.js'

const message = select(tables.messages, 'm', fieldsBut(tables.messages, ['senderSeq', 'firstTextHash', 'contentHash', 'appendedFrom', 'appendCount']))
const sender = select(tables.users, 's', ['displayName', 'avatar', 'isBot'])
const quoted = select(tables.messages, 'm', ['id', 'conversation', 'seq', 'senderId', 'text', 'type', 'replyCount', 'deletedAt',
  'attachments'])
const place = select(tables.conversations, 'c', ['id'])

/** Columns of a message `m` and its sender `s`. */
export const messageColumns = `${message.columns}, ${sender.columns}`

type Found = ReturnType<typeof message.read>

const SEQ_MAX = 2_147_483_647

export interface PageBounds { before?: number | undefined, after?: number | undefined, limit: number }

/** What a page is of: the messages of a conversation, or the direct replies to one of them. */
type PageOf = Pick<Followable, 'num' | 'conversationId'> & { replyTo?: number }

/** A page of messages, ascending, as a user sees them. One more than `limit` is read, to tell whether there are more. */
export async function findMessages (
  database: Database, { num, conversationId, replyTo }: PageOf, userId: string, { before, after, limit }: PageBounds
): Promise<{ messages: OwnMessage[], hasMore: boolean }> {
  const [condition, bound, order] = after === undefined ? ['<', before ?? SEQ_MAX, 'DESC'] : ['>', after, 'ASC']
  const [of, params] = replyTo === undefined ? ['', []] : ['AND m.reply_to = ?', [replyTo]]
  const rows = await database.read.query(
    `SELECT ${messageColumns} FROM chat_messages m JOIN chat_users s ON s.id = m.sender_id
     WHERE m.conversation = ? ${of} AND m.seq ${condition} ? ORDER BY m.seq ${order} LIMIT ?`, num, ...params, Math.min(bound, SEQ_MAX), limit + 1)
  const page = rows.slice(0, limit)
  if (order === 'DESC') page.reverse()
  const messages = await renderOwnMessages(database, page, userId, () => conversationId)
  return { messages: [...messages.values()], hasMore: rows.length > limit }
}

/** A page with the message `seq`, and as many before it as after it; past the end, the end. */
export async function findMessagesAround (
  database: Database, { num, conversationId }: PageOf, userId: string, seq: number, limit: number
): Promise<{ messages: OwnMessage[], hasMore: boolean, hasMoreAfter: boolean }> {
  const { read } = database
  const [newest] = await read.query<{ seq: number | null }>('SELECT max(seq) AS seq FROM chat_messages WHERE conversation = ?', num)
  const middle = Math.min(seq, Number(newest?.seq ?? 0))
  const before = Math.floor((limit - 1) / 2)
  const after = limit - before
  const page = `SELECT ${messageColumns} FROM chat_messages m JOIN chat_users s ON s.id = m.sender_id WHERE m.conversation = ?`
  const [older, newer] = await Promise.all([
    read.query(`${page} AND m.seq < ? ORDER BY m.seq DESC LIMIT ?`, num, middle, before + 1),
    read.query(`${page} AND m.seq >= ? ORDER BY m.seq LIMIT ?`, num, middle, after + 1)
  ])
  const rows = [...older.slice(0, before).reverse(), ...newer.slice(0, after)]
  const messages = await renderOwnMessages(database, rows, userId, () => conversationId)
  return { messages: [...messages.values()], hasMore: older.length > before, hasMoreAfter: newer.length > after }
}

/** Where a message stands. */
export interface MessagePlace { num: number, seq: number, senderId: string, conversationId: string }

/** Where a message stands, if the user takes part there. */
export async function findPlace ({ read }: Database, messageId: string, userId: string): Promise<MessagePlace | undefined> {
  const [row] = await read.query(
    `SELECT ${message.columns}, ${place.columns} FROM chat_messages m
     JOIN chat_participants p ON p.conversation = m.conversation AND p.user_id = ?
     JOIN chat_conversations c ON c.num = m.conversation WHERE m.id = ?`, userId, messageId)
  if (row === undefined) return undefined
  const { conversation: num, seq, senderId } = message.read(row)
  return { num, seq, senderId, conversationId: place.read(row).id }
}

/** One message as it is now, if the user takes part in its conversation. */
export async function findMessage (database: Database, messageId: string, userId: string): Promise<OwnMessage | undefined> {
  const rows = await database.read.query(
    `SELECT ${messageColumns}, ${place.columns} FROM chat_messages m JOIN chat_users s ON s.id = m.sender_id
     JOIN chat_participants p ON p.conversation = m.conversation AND p.user_id = ?
     JOIN chat_conversations c ON c.num = m.conversation WHERE m.id = ?`, userId, messageId)
  const [found] = (await renderOwnMessages(database, rows, userId, row => place.read(row).id)).values()
  return found
}

/** Renders the message of each row that has one, as a user sees it. */
export async function renderOwnMessages<Row> (
  database: Database, rows: Row[], userId: string, conversationIdOf: (row: Row, found: Found) => string
): Promise<Map<Row, OwnMessage>> {
  const found = read(rows)
  const messages = await render(database, found, conversationIdOf)
  const own = await findOwnReactions(database, found.map(({ read }) => read).filter(({ reactions }) => reactions !== null), userId)
  return new Map(found.map(({ row, read }, index) => {
    const message = messages[index]!
    const mine = own.get(read.conversation)?.get(read.seq)
    const myReactions = mine === undefined ? [] : message.reactions.flatMap(({ emoji }) => mine.has(emoji) ? [emoji] : [])
    // A copy of so many fields costs 2 µs.
    return [row, Object.assign(message, { myReactions })]
  }))
}

/** Renders the message of each row that has one, as events carry it. */
export async function renderMessages<Row> (
  database: Database, rows: Row[], conversationIdOf: (row: Row, found: Found) => string
): Promise<Map<Row, Message>> {
  const found = read(rows)
  const messages = await render(database, found, conversationIdOf)
  return new Map(found.map(({ row }, index) => [row, messages[index]!]))
}

interface Read<Row> { row: Row, read: Found }

function read<Row> (rows: Row[]): Array<Read<Row>> {
  return rows.flatMap(row => {
    const read = message.readOptional(row)
    return read === undefined ? [] : [{ row, read }]
  })
}

async function render<Row> (database: Database, found: Array<Read<Row>>, conversationIdOf: (row: Row, found: Found) => string): Promise<Message[]> {
  const messages = found.map(({ read }) => read)
  const [statuses, shown] = await Promise.all([findStatuses(database, messages), findShown(database, messages)])
  return found.map(({ row, read }, index) =>
    renderMessage(read, conversationIdOf(row, read), { userId: read.senderId, ...sender.read(row) }, statuses[index] ?? 'sent', shown?.(read)))
}

/** What messages show of others. Costs nothing where none of them is a reply or mentions anybody. */
async function findShown (database: Database, messages: Found[]): Promise<((message: Found) => Shown) | undefined> {
  const replies = messages.filter(({ replyTo }) => replyTo !== null)
  const mentioning = messages.filter(({ mentions, deletedAt }) => mentions !== null && deletedAt === null)
  if (replies.length === 0 && mentioning.length === 0) return undefined
  const mentioned = new Set(mentioning.flatMap(({ mentions }) => readMentions(mentions).map(({ userId }) => userId)))
  const [quotes, profiles] = await Promise.all([findQuotes(database, replies), findProfiles(database, [...mentioned])])
  const profileOf = (userId: string): Profile => profiles.get(userId) ?? unknownProfile(userId)
  return ({ conversation, replyTo, mentions }) => ({
    replyTo: replyTo === null ? null : quotes.get(`${conversation} ${replyTo}`) ?? null,
    mentions: renderMentions(readMentions(mentions), profileOf)
  })
}

/** The messages that these reply to, by conversation and `seq`. */
async function findQuotes ({ read, dialect }: Database, replies: Found[]): Promise<Map<string, Quote>> {
  if (replies.length === 0) return new Map()
  const places = new Map(replies.map(({ conversation, replyTo }) => [`${conversation} ${replyTo}`, [conversation, replyTo]]))
  const rows = await read.query(
    `SELECT ${quoted.columns}, ${sender.columns} FROM ${keyed(tables.messages, dialect, ['conversation', 'seq'])} k
     JOIN chat_messages m ON m.conversation = k.conversation AND m.seq = k.seq JOIN chat_users s ON s.id = m.sender_id`,
    JSON.stringify([...places.values()]))
  return new Map(rows.map(row => {
    const found = quoted.read(row)
    return [`${found.conversation} ${found.seq}`, renderQuote(found, { userId: found.senderId, ...sender.read(row) })]
  }))
}

/** Returns the status of messages. Former participants are looked up only for messages whose recipients have all left. */
async function findStatuses ({ read, dialect }: Database, messages: Place[]): Promise<MessageStatus[]> {
  const present = await findMarks(read, dialect, 'participants', rangesOf(messages))
  const alone = messages.filter(message => isLeftAlone(message, present.get(message.conversation) ?? []))
  const former = await findMarks(read, dialect, 'former_participants', rangesOf(alone))
  return messages.map(message => statusOf(message, present.get(message.conversation) ?? [], former.get(message.conversation) ?? []))
}
