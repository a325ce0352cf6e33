import DataLoader from 'dataloader'
import { isoTime } from '../schemas/common.js'
import { LISTED_PARTICIPANTS, type Conversation, type ConversationType, type Participant } from '../schemas/conversations.js'
import type { Message, MessageStatus } from '../schemas/messages.js'
import { isLeftAlone, statusOf } from '../schemas/status.js'
import type { User } from '../schemas/users.js'
import type { Database } from './database.js'
import { findAllFollowables, findFollowables, type Followable, type Tagged } from './followable.js'
import { gather } from './gather.js'
import { LogTags } from './log-tags.js'
import { findMarks, rangesOf, type Place } from './marks.js'
import { isoTimeOrNull, renderMessage } from './rendering.js'
import type { Param } from './sql.js'
import { tagOf } from './tag.js'

/** An event of the log, with what it points at as it is now. */
export interface LoggedEvent {
  seq: number
  position: number
  tag: string
  /** A newer version may have written one that this version does not know. */
  type: string
  userId: string
  displayName: string
  detail: string | null
  createdAt: number
  message: Message | null
}

/** A place in a user's list of conversations, which is ordered by latest activity and number. */
export interface ListPlace { activity: number, num: number }

type Row = Record<string, never>

const num = Number
const numOrNull = (value: unknown): number | null => value === null || value === undefined ? null : Number(value)

const MESSAGE = `m.id AS message_id, m.conversation, m.seq AS message_seq, m.sender_id, m.client_id, m.text, m.type AS message_type,
  m.created_at AS sent_at, m.edited_at, m.deleted_at, s.display_name AS sender_name, s.avatar AS sender_avatar`
/** Position of a conversation's latest activity. A version without that column moves `updated_at` past `logged_at`. */
const ACTIVITY = 'CASE WHEN c.updated_at > c.logged_at THEN c.position ELSE c.activity END'
const SEQ_MAX = 2_147_483_647
/** Keys that are looked up by one query. */
const BATCH_MAX = 1000
/** Users whose conversations are looked up by one query: each may have thousands. */
const FOLLOWERS_MAX = 16

/** Everything that is read outside of a write transaction: what is committed, rendered for the wire. */
export class Queries {
  readonly tags: LogTags
  readonly #database: Database
  #followers = 0
  readonly #access: DataLoader<[conversationId: string, userId: string], Followable | undefined>
  readonly #followed: DataLoader<[userId: string, after: number], Tagged[]>

  constructor (database: Database) {
    this.#database = database
    this.tags = new LogTags(database)
    const { read, dialect } = database
    this.#access = new DataLoader(async pairs => await findFollowables(read, dialect, pairs), { cache: false, maxBatchSize: BATCH_MAX })
    this.#followed = new DataLoader(async keys => await findAllFollowables(read, dialect, keys), {
      cache: false,
      maxBatchSize: FOLLOWERS_MAX,
      batchScheduleFn: dispatch => { void gather(() => this.#followers, BATCH_MAX).then(dispatch) }
    })
  }

  /** The conversation, if the user participates in it. */
  async access (conversationId: string, userId: string): Promise<Followable | undefined> {
    return await this.#access.load([conversationId, userId])
  }

  /** All conversations of a user, by number; with the newest transactions of those that have one after a position. Streams that open together ask together. */
  async followed (userId: string, after: number): Promise<Tagged[]> {
    this.#followers++
    try {
      return await this.#followed.load([userId, after])
    } finally {
      this.#followers--
    }
  }

  async user (userId: string): Promise<User | undefined> {
    const [row] = await this.#query(
      'SELECT id AS user_id, display_name, avatar, is_online, last_seen FROM chat_users WHERE id = ?', userId)
    return row === undefined ? undefined : userOf(row)
  }

  async passwordHash (userId: string): Promise<string | null> {
    const [row] = await this.#query('SELECT password_hash FROM chat_users WHERE id = ?', userId)
    return row?.password_hash ?? null
  }

  /** A page of messages, ascending; of one more than `limit`, to tell whether there are more. */
  async messages (conversation: Followable, bounds: { before?: number, after?: number, limit: number }): Promise<{ messages: Message[], hasMore: boolean }> {
    const { limit } = bounds
    const [condition, bound, order] = bounds.after === undefined
      ? ['<', bounds.before ?? SEQ_MAX, 'DESC']
      : ['>', bounds.after, 'ASC']
    const rows = await this.#query(
      `SELECT ${MESSAGE} FROM chat_messages m JOIN chat_users s ON s.id = m.sender_id
       WHERE m.conversation = ? AND m.seq ${condition} ? ORDER BY m.seq ${order} LIMIT ?`,
      conversation.num, Math.min(bound, SEQ_MAX), limit + 1)
    const page = rows.slice(0, limit)
    if (order === 'DESC') page.reverse()
    return { messages: await this.#renderMessages(page, () => conversation.conversationId), hasMore: rows.length > limit }
  }

  /** One message as it is now. */
  async message (messageId: string, conversationId: string): Promise<Message | undefined> {
    const rows = await this.#query(
      `SELECT ${MESSAGE} FROM chat_messages m JOIN chat_users s ON s.id = m.sender_id WHERE m.id = ?`, messageId)
    return (await this.#renderMessages(rows, () => conversationId))[0]
  }

  /** One conversation as its participant sees it, with all participants. */
  async conversation (conversationId: string, userId: string): Promise<Conversation | undefined> {
    const rows = await this.#query(conversations('c.id = ? AND p.user_id = ?'), conversationId, userId)
    return (await this.#renderConversations(rows, Infinity))[0]
  }

  /** A user's conversations, latest activity first, from below a place in that order. */
  async conversations (userId: string, below: ListPlace | undefined, limit: number): Promise<{ conversations: Conversation[], next: ListPlace | undefined }> {
    const from = below ?? { activity: Number.MAX_SAFE_INTEGER, num: 0 }
    const rows = await this.#query(
      conversations(`p.user_id = ? AND (${ACTIVITY} < ? OR (${ACTIVITY} = ? AND c.num < ?))
        ORDER BY ${ACTIVITY} DESC, c.num DESC LIMIT ?`), userId, from.activity, from.activity, from.num, limit + 1)
    const page = rows.slice(0, limit)
    const last = page.at(-1)
    return {
      conversations: await this.#renderConversations(page, LISTED_PARTICIPANTS),
      next: rows.length > limit && last !== undefined ? { activity: num(last.activity), num: num(last.num) } : undefined
    }
  }

  /** The `eventSeq` that conversations had at positions. Costs what has come since, which is read next anyway. */
  async seqsAt (places: ReadonlyArray<{ num: number, position: number }>): Promise<Map<number, number>> {
    if (places.length === 0) return new Map()
    const rows = await this.#query(
      `SELECT k.num, (SELECT e.seq FROM chat_events e WHERE e.conversation = k.num AND e.position <= k.position ORDER BY e.seq DESC LIMIT 1) AS seq
       FROM ${this.#table({ num: 'int', position: 'bigint' })} k`, JSON.stringify(places.map(({ num, position }) => [num, position])))
    return new Map(rows.map(row => [num(row.num), num(row.seq ?? 0)]))
  }

  /** Conversations with events after a position, and how far they are. */
  async changedSince (position: number): Promise<Array<{ conversationId: string, eventSeq: number }>> {
    const rows = await this.#query('SELECT id, event_seq FROM chat_conversations WHERE position > ?', position)
    return rows.map(row => ({ conversationId: row.id!, eventSeq: num(row.event_seq) }))
  }

  /**
   * Who has come into which conversation after a position, and is there. By its creation comes who hasn't joined later, or
   * left first.
   */
  async joinedSince (position: number): Promise<Array<{ conversationId: string, userId: string, seq: number }>> {
    const rows = await this.#query(
      `SELECT e.conversation, c.id, e.type, e.user_id, p.user_id AS participant, e.seq AS seq, e.position AS position
       FROM chat_events e JOIN chat_conversations c ON c.num = e.conversation
       LEFT JOIN chat_participants p ON p.conversation = e.conversation AND p.user_id = e.user_id
       WHERE e.position > ? AND e.type IN ('participantJoined', 'participantLeft')
       UNION ALL
       SELECT e.conversation, c.id, e.type, p.user_id, p.user_id AS participant, e.seq AS seq, e.position AS position
       FROM chat_events e JOIN chat_conversations c ON c.num = e.conversation JOIN chat_participants p ON p.conversation = e.conversation
       WHERE e.position > ? AND e.type = 'conversationCreated'
       ORDER BY position, seq`, position, position)
    // what followed the creation was after that position, too
    const joinedFirst = new Map<string, boolean>()
    for (const { conversation, type, user_id: userId } of rows) {
      const key = `${num(conversation)} ${String(userId)}`
      if (type !== 'conversationCreated' && !joinedFirst.has(key)) joinedFirst.set(key, type === 'participantJoined')
    }
    return rows
      .filter(({ conversation, type, user_id: userId, participant }) => participant !== null && (type === 'participantJoined' ||
        (type === 'conversationCreated' && joinedFirst.get(`${num(conversation)} ${String(userId)}`) !== true)))
      .map(row => ({ conversationId: row.id!, userId: row.user_id!, seq: num(row.seq) }))
  }

  /** A page of a conversation's log, ascending, with each message as it is now. */
  async events (conversationId: string, after: number, limit: number): Promise<{ num: number, type: ConversationType, title: string | null, events: LoggedEvent[] }> {
    const rows = await this.#query(
      `SELECT e.seq, e.position, ${tagOf('e')} AS tag, e.type, e.user_id, e.detail, e.created_at, a.display_name, c.num, c.type AS conversation_type, c.title, ${MESSAGE}
       FROM chat_events e JOIN chat_conversations c ON c.num = e.conversation
       LEFT JOIN chat_users a ON a.id = e.user_id
       LEFT JOIN chat_messages m ON m.conversation = e.conversation AND m.seq = e.message_seq
       LEFT JOIN chat_users s ON s.id = m.sender_id
       WHERE e.conversation = (SELECT num FROM chat_conversations WHERE id = ?) AND e.seq > ? ORDER BY e.seq LIMIT ?`, conversationId, after, limit)
    const withMessage = rows.filter(row => row.message_id !== null)
    const messages = await this.#renderMessages(withMessage, () => conversationId)
    const bySeq = new Map(withMessage.map((row, index) => [num(row.seq), messages[index]!]))
    return {
      num: num(rows[0]?.num ?? 0),
      type: rows[0]?.conversation_type ?? 'group',
      title: rows[0]?.title ?? null,
      events: rows.map(row => ({
        seq: num(row.seq),
        position: num(row.position),
        tag: row.tag!,
        type: row.type!,
        userId: row.user_id!,
        displayName: row.display_name ?? row.user_id!,
        detail: row.detail!,
        createdAt: num(row.created_at),
        message: bySeq.get(num(row.seq)) ?? null
      }))
    }
  }

  /** When the token of an open stream expires, as far as is known on any node; undefined where there is no such stream. */
  async streamExpiry (streamId: string): Promise<number | null | undefined> {
    const [row] = await this.#query('SELECT expires_at FROM chat_streams WHERE id = ?', streamId)
    return row === undefined ? undefined : numOrNull(row.expires_at)
  }

  /** Participants whose typing is over. */
  async lapsedTyping (now: number): Promise<Array<{ conversationId: string, userId: string }>> {
    return await this.#typists('p.typing_until <= ?', now)
  }

  /** Where a user is typing. */
  async typingOf (userId: string): Promise<Array<{ conversationId: string, userId: string }>> {
    return await this.#typists('p.typing_until > 0 AND p.user_id = ?', userId)
  }

  async #typists (condition: string, param: Param): Promise<Array<{ conversationId: string, userId: string }>> {
    const rows = await this.#query(
      `SELECT c.id, p.user_id FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation WHERE ${condition} LIMIT 1000`, param)
    return rows.map(row => ({ conversationId: row.id!, userId: row.user_id! }))
  }

  /** Users whose being online may be over. */
  async lapsedOnline (now: number): Promise<string[]> {
    const rows = await this.#query('SELECT id FROM chat_users WHERE online_until <= ? LIMIT 1000', now)
    return rows.map(row => row.id!)
  }

  /** What processes whose lease has lapsed have left. */
  async deadNodes (now: number): Promise<Array<{ nodeId: string, streams: Array<{ id: string, userId: string }> }>> {
    const rows = await this.#query(
      `SELECT n.id AS node_id, s.id, s.user_id FROM chat_nodes n LEFT JOIN chat_streams s ON s.node_id = n.id
       WHERE n.expires_at <= ? LIMIT 5000`, now)
    const nodes = new Map<string, Array<{ id: string, userId: string }>>()
    for (const row of rows) {
      const streams = nodes.get(row.node_id!) ?? []
      nodes.set(row.node_id!, streams)
      if (row.id !== null) streams.push({ id: row.id!, userId: row.user_id! })
    }
    return [...nodes].map(([nodeId, streams]) => ({ nodeId, streams }))
  }

  async #query (sql: string, ...params: Param[]): Promise<Row[]> {
    return await this.#database.read.query<Row>(sql, ...params)
  }

  #table (columns: Parameters<Database['dialect']['table']>[0]): string {
    return this.#database.dialect.table(columns)
  }

  async #renderMessages (rows: Row[], conversationIdOf: (row: Row) => string): Promise<Message[]> {
    const statuses = await this.#statuses(rows.map(row => ({ conversation: num(row.conversation), seq: num(row.message_seq), senderId: row.sender_id! })))
    return rows.map((row, index) => renderMessage({
      id: row.message_id!,
      seq: num(row.message_seq),
      senderId: row.sender_id!,
      senderSeq: 0,
      clientId: row.client_id!,
      text: row.text!,
      type: row.message_type!,
      createdAt: num(row.sent_at),
      editedAt: numOrNull(row.edited_at),
      deletedAt: numOrNull(row.deleted_at),
      firstTextHash: null
    }, conversationIdOf(row), { userId: row.sender_id!, displayName: row.sender_name!, avatar: row.sender_avatar! }, statuses[index]!))
  }

  /** The status of messages; former participants are looked up only where nobody else is left. */
  async #statuses (messages: Place[]): Promise<MessageStatus[]> {
    const { read, dialect } = this.#database
    const present = await findMarks(read, dialect, 'participants', rangesOf(messages))
    const alone = messages.filter(message => isLeftAlone(message, present.get(message.conversation) ?? []))
    const former = await findMarks(read, dialect, 'former_participants', rangesOf(alone))
    return messages.map(message => statusOf(message, present.get(message.conversation) ?? [], former.get(message.conversation) ?? []))
  }

  async #renderConversations (rows: Row[], participantsMax: number): Promise<Conversation[]> {
    const ids = new Map<number, string>(rows.map(row => [num(row.num), row.id!]))
    const withMessage = rows.filter(row => row.message_id !== null)
    const messages = await this.#renderMessages(withMessage, row => ids.get(num(row.conversation))!)
    const lastMessages = new Map(messages.map(message => [message.conversationId, message]))
    const participants = await this.#participants(rows, participantsMax)
    return rows.map(row => ({
      id: row.id!,
      conversationId: row.id!,
      type: row.type!,
      title: row.title!,
      createdAt: isoTime(num(row.created_at)),
      updatedAt: isoTime(num(row.updated_at)),
      lastMessage: lastMessages.get(row.id!) ?? null,
      unreadCount: num(row.message_count) - num(row.read_seq) - (num(row.own ?? 0) - num(row.own_read ?? 0)) - num(row.deleted),
      participantCount: num(row.participant_count),
      participants: participants.get(num(row.num)) ?? []
    }))
  }

  async #participants (conversations: Row[], max: number): Promise<Map<number, Participant[]>> {
    const select = `SELECT p.conversation, p.user_id, p.role, p.delivered_seq, p.read_seq, u.display_name, u.avatar, u.is_online, u.last_seen
      FROM chat_participants p JOIN chat_users u ON u.id = p.user_id`
    const small = conversations.filter(row => num(row.participant_count) <= max).map(row => [num(row.num)])
    const large = conversations.filter(row => num(row.participant_count) > max)
    const pages = await Promise.all([
      small.length === 0
        ? []
        : this.#query(`${select} WHERE p.conversation IN (SELECT k.num FROM ${this.#table({ num: 'int' })} k) ORDER BY p.joined_at, p.user_id`, JSON.stringify(small)),
      ...large.map(async row => await this.#query(`${select} WHERE p.conversation = ? ORDER BY p.joined_at, p.user_id LIMIT ?`, num(row.num), max))
    ])
    const byConversation = new Map<number, Participant[]>()
    for (const row of pages.flat()) {
      const list = byConversation.get(num(row.conversation)) ?? []
      byConversation.set(num(row.conversation), list)
      list.push({ ...userOf(row), role: row.role!, deliveredSeq: num(row.delivered_seq), readSeq: num(row.read_seq) })
    }
    return byConversation
  }
}

/**
 * Conversations of participants, with what is shown of them; those that are wanted are chosen first, however many there
 * are. Unread: the messages after the read mark, less one's own among them, less the deleted ones of others. `sender_seq`
 * counts one's own, so that two look-ups in the index do, however many messages there are; deleted ones have an index of their own.
 */
const conversations = (which: string): string => `SELECT k.*,
  (SELECT o.sender_seq FROM chat_messages o WHERE o.conversation = k.num AND o.sender_id = k.user_id
   ORDER BY o.seq DESC LIMIT 1) AS own,
  (SELECT o.sender_seq FROM chat_messages o WHERE o.conversation = k.num AND o.sender_id = k.user_id AND o.seq <= k.read_seq
   ORDER BY o.seq DESC LIMIT 1) AS own_read,
  (SELECT count(*) FROM chat_messages d WHERE d.conversation = k.num AND d.seq > k.read_seq AND d.sender_id <> k.user_id
   AND d.deleted_at IS NOT NULL) AS deleted, ${MESSAGE}
  FROM (SELECT c.num, c.id, c.type, c.title, c.created_at, c.updated_at, ${ACTIVITY} AS activity, c.message_seq AS message_count, c.participant_count, p.user_id, p.read_seq
    FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation WHERE ${which}) k
  LEFT JOIN chat_messages m ON m.conversation = k.num AND m.seq = k.message_count
  LEFT JOIN chat_users s ON s.id = m.sender_id
  ORDER BY k.activity DESC, k.num DESC`

const userOf = (row: Row): User => ({
  userId: row.user_id!,
  displayName: row.display_name!,
  avatar: row.avatar!,
  isOnline: Boolean(row.is_online),
  lastSeen: isoTimeOrNull(numOrNull(row.last_seen))
})
