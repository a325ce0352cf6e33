import { emissionOf, type Emission, type Routing } from '../hub/emission.js'
import type { ChatEvents, DurableEventType, DurableEvents, EphemeralEvents } from '../schemas/events.js'
import type { ConversationType, Role } from '../schemas/conversations.js'
import type { Marks } from '../schemas/status.js'
import { cursorOfTopic } from './cursor.js'
import type { Database } from './database.js'
import { appendEvents, type EventRow, type Transaction } from './event-log.js'
import { findResumables, type Resumable } from './followable.js'
import type { Keys } from './keys.js'
import { findMarks, insertFormer, rangesOf, saysSomething } from './marks.js'
import { addConversations, findQuotas, setGroupsMade, type Quota } from './quotas.js'
import type { Sql } from './sql.js'

export interface ConversationRow {
  num: number
  id: string
  type: ConversationType
  title: string | null
  createdBy: string
  createdAt: number
  updatedAt: number
  /** Instant of the newest event. */
  loggedAt: number
  messageSeq: number
  eventSeq: number
  participantCount: number
}

export interface ParticipantRow {
  conversation: ConversationRow
  userId: string
  role: Role
  joinedAt: number
  joinedSeq: number
  deliveredSeq: number
  readSeq: number
  typingUntil: number | null
  displayName: string
  avatar: string | null
  /** Number of messages they have sent here. */
  senderSeq: number
}

export interface UserRow {
  id: string
  displayName: string
  avatar: string | null
  passwordHash: string | null
  profileAt: number
  createdAt: number
  isOnline: boolean
  isHidden: boolean
  onlineUntil: number | null
  lastSeen: number | null
}

export interface MessageRow {
  id: string
  conversation: ConversationRow
  seq: number
  senderId: string
  senderSeq: number
  clientId: string | null
  text: string
  type: string
  createdAt: number
  editedAt: number | null
  deletedAt: number | null
  firstTextHash: string | null
}

export interface StreamRow {
  id: string
  nodeId: string
  userId: string
  conversationId: string | null
  /** When its token expires; null: never. */
  expiresAt: number | null
}

/** New rows go in in one order on every node, so that two that write the same ones can't wait for each other. */
const byId = (a: { id: string }, b: { id: string }): number => a.id < b.id ? -1 : 1

const numberOrNull = (value: unknown): number | null => value === null ? null : Number(value)

/** Somebody else wrote the same new row at the same moment: load again, decide again. */
export class Conflict extends Error {
  override name = 'Conflict'
}

/** Columns of a participant; `of` has conversation and user, who need not participate. */
const participantColumns = (of: 'k' | 'p'): string => `${of}.conversation, ${of}.user_id, p.role, p.joined_at, p.joined_seq, p.delivered_seq, p.read_seq, p.typing_until,
  u.display_name, u.avatar,
  (SELECT m.sender_seq FROM chat_messages m WHERE m.conversation = ${of}.conversation AND m.sender_id = ${of}.user_id
   ORDER BY m.seq DESC LIMIT 1) AS sender_seq`
/** The conversation, if the user of `k` takes part in it. Not a join: PostgreSQL would look through all participants of small groups. */
const ownConversation = (num: string): string =>
  `(SELECT p.conversation FROM chat_participants p WHERE p.conversation = ${num} AND p.user_id = k.user_id)`
const MESSAGE = `m.id, m.conversation, m.seq, m.sender_id, m.sender_seq, m.client_id, m.text, m.type, m.created_at, m.edited_at,
  m.deleted_at, m.first_text_hash`
const USER_COLUMNS = { id: 'text', display_name: 'text', avatar: 'text', password_hash: 'text', profile_at: 'bigint', created_at: 'bigint', is_online: 'boolean', is_hidden: 'boolean', online_until: 'bigint', last_seen: 'bigint' } as const
const PARTICIPANT_COLUMNS = { conversation: 'int', user_id: 'text', role: 'text', joined_at: 'bigint', joined_seq: 'int', delivered_seq: 'int', read_seq: 'int', typing_until: 'bigint' } as const

/**
 * What one transaction has loaded, and what it will write: a unit of work over an identity map. Commands read and change
 * the rows of the map; `flush` writes all of it, each kind with one statement, however many commands there were.
 */
export class Unit {
  /** Epoch milliseconds at which all of this happens, to be shown; in a conversation see `nowIn`. */
  readonly now: number
  /** The same moment by the clock of deadlines (see `SharedClock`). */
  readonly ticks: number
  /** What to tell once it is committed, in the order of the commands. */
  readonly emissions: Array<Emission<ChatEvents>> = []
  /** This transaction in the event log, if it wrote to it. */
  logged: Transaction | undefined
  /** How often anything was changed so far, or is to be told. */
  changes = 0

  readonly #database: Database
  readonly #conversations = new Map<string, ConversationRow>()
  readonly #participants = new Map<string, Map<string, ParticipantRow>>()
  /** Of users who don't participate: number of messages they have sent. */
  readonly #senderSeqs = new Map<string, number>()
  readonly #users = new Map<string, UserRow>()
  readonly #streams = new Map<string, Map<string, StreamRow>>()
  readonly #messages = new Map<string, MessageRow>()
  readonly #clientIds = new Map<string, MessageRow>()
  readonly #resumables = new Map<string, Resumable | undefined>()
  readonly #lastOfOthers = new Map<string, MessageRow>()
  /** By number of the conversation. */
  #former = new Map<number, Marks[]>()
  #quotas = new Map<string, Quota>()

  readonly #touched = new Set<ConversationRow>()
  readonly #active = new Set<ConversationRow>()
  readonly #instants = new Map<ConversationRow, number>()
  readonly #created = new Set<ConversationRow>()
  readonly #changed = new Set<ParticipantRow>()
  readonly #joined = new Set<ParticipantRow>()
  readonly #left = new Set<ParticipantRow>()
  readonly #leavers: ParticipantRow[] = []
  /** Conversations that users take part in: how many more. */
  readonly #more = new Map<string, number>()
  readonly #groupsMade = new Map<string, Quota>()
  readonly #newUsers = new Set<UserRow>()
  readonly #changedUsers = new Set<UserRow>()
  readonly #newMessages: MessageRow[] = []
  readonly #changedMessages = new Set<MessageRow>()
  readonly #opened = new Set<StreamRow>()
  readonly #changedStreams = new Set<StreamRow>()
  readonly #closed = new Set<string>()
  readonly #events: Array<{ row: EventRow, emission: Emission<ChatEvents> }> = []
  readonly #aboutUsers: Array<{ userId: string, emission: Emission<ChatEvents> & { topics: string[] } }> = []

  /** Larger conversations hear nothing of their participants. The same for all events of a transaction. */
  #contactsMax = 0

  private constructor (database: Database) {
    this.#database = database
    this.now = database.clock.now()
    this.ticks = database.clock.ticks()
  }

  /** Loads and locks what the commands named; conversations first, then users, each in one order on every node. */
  static async load (database: Database, sql: Sql, keys: Keys): Promise<Unit> {
    const unit = new Unit(database)
    if (keys.participants.length + keys.messages.length + keys.directs.size > 0) await unit.#loadConversations(sql, keys)
    if (unit.#conversations.size > 0) {
      if (keys.messages.length > 0) await unit.#loadMessages(sql, keys.messages)
      await unit.#loadParticipants(sql, [...keys.participants, ...unit.#placesOf(keys.messages)])
      // what follows is for those who take part
      const others = keys.joining.filter(([id, callerId]) => unit.participant(id, callerId) !== undefined)
      if (others.length > 0) await unit.#loadParticipants(sql, others.map(([id, , userId]) => [id, userId]))
      for (const [, , userId] of others) keys.profile(userId)
      for (const [id, callerId, userId, most] of keys.quotasOfOthers) if (unit.participant(id, callerId) !== undefined) keys.quota(userId, most)
      const crowds = [...keys.crowds, ...unit.#placesOf(keys.crowdsOfMessages)].filter(key => unit.#takesPart(key)).map(([id]) => id)
      if (crowds.length > 0) await unit.#loadCrowds(sql, [...new Set(crowds)])
      await unit.#loadClientIds(sql, keys.clientIds.filter(key => unit.#takesPart(key)))
      await unit.#loadLastOfOthers(sql, keys.lastOfOthers.filter(key => unit.#takesPart(key)))
      if (keys.formerOf.size > 0) await unit.#loadFormer(sql, keys.formerOf)
    }
    if (keys.users.size > 0) await unit.#loadUsers(sql, [...keys.users])
    if (keys.quotas.size > 0) unit.#quotas = await findQuotas(sql, database.dialect, keys.quotas)
    const profiles = [...keys.profiles].filter(id => !keys.users.has(id))
    if (profiles.length > 0) await unit.#loadUsers(sql, profiles, '')
    if (keys.streams.size > 0) await unit.#loadStreams(sql, [...keys.streams])
    if (keys.resumables.length > 0) await unit.#loadResumables(sql, keys.resumables)
    return unit
  }

  // ---- what was loaded, as the commands before this one have left it

  conversation (id: string): ConversationRow | undefined {
    return this.#conversations.get(id)
  }

  participant (conversationId: string, userId: string): ParticipantRow | undefined {
    return this.#participants.get(conversationId)?.get(userId)
  }

  /**
   * Epoch milliseconds at which what this transaction does in a conversation happens: later than all that earlier ones did
   * there, whatever the clock says. So instants are in the order of commits.
   */
  nowIn (conversation: ConversationRow): number {
    let now = this.#instants.get(conversation)
    if (now === undefined) {
      now = Math.max(this.now, conversation.loggedAt + 1, conversation.updatedAt + 1)
      this.#instants.set(conversation, now)
    }
    return now
  }

  /** All participants of a conversation whose crowd was named in the keys. */
  participants (conversationId: string): ParticipantRow[] {
    return [...this.#participants.get(conversationId)?.values() ?? []]
  }

  /** The conversation as it was before this transaction, if the user participated in it. */
  resumable (conversationId: string, userId: string, seq: number): Resumable | undefined {
    return this.#resumables.get(JSON.stringify([conversationId, userId, seq]))
  }

  user (id: string): UserRow | undefined {
    return this.#users.get(id)
  }

  /** Of a user named in the keys. */
  quota (userId: string): Quota {
    const quota = this.#groupsMade.get(userId) ?? this.#quotas.get(userId) ?? { conversations: 0, groupsMade: 0, groupsUntil: null }
    return { ...quota, conversations: (this.#quotas.get(userId)?.conversations ?? 0) + (this.#more.get(userId) ?? 0) }
  }

  streamsOf (userId: string): StreamRow[] {
    return [...this.#streams.get(userId)?.values() ?? []]
  }

  message (id: string): MessageRow | undefined {
    return this.#messages.get(id)
  }

  /** The marks of those who have left its conversation, for a message named in the keys. */
  former ({ conversation }: MessageRow): Marks[] {
    return [...this.#former.get(conversation.num) ?? [], ...this.#leavers.filter(leaver => leaver.conversation === conversation)]
  }

  messageByClientId (conversationId: string, userId: string, clientId: string): MessageRow | undefined {
    return this.#clientIds.get(JSON.stringify([conversationId, userId, clientId]))
  }

  /** The last message up to a `seq` named in the keys that isn't the user's own. */
  lastOfOthersUpTo (conversationId: string, userId: string, seq: number): MessageRow | undefined {
    const fresh = this.#newMessages.findLast(message =>
      message.conversation.id === conversationId && message.senderId !== userId && message.seq <= seq)
    return fresh ?? this.#lastOfOthers.get(JSON.stringify([conversationId, userId, seq]))
  }

  // ---- changes

  addUser (user: UserRow): void {
    this.changes++
    this.#users.set(user.id, user)
    this.#newUsers.add(user)
  }

  changeUser (user: UserRow, change: Partial<UserRow>): void {
    this.changes++
    Object.assign(user, change)
    if (!this.#newUsers.has(user)) this.#changedUsers.add(user)
  }

  addConversation (row: Omit<ConversationRow, 'num' | 'messageSeq' | 'eventSeq' | 'participantCount' | 'createdAt' | 'updatedAt' | 'loggedAt'>): ConversationRow {
    this.changes++
    const conversation = { ...row, num: 0, messageSeq: 0, eventSeq: 0, participantCount: 0, createdAt: this.now, updatedAt: this.now, loggedAt: 0 }
    this.#instants.set(conversation, this.now)
    this.#conversations.set(conversation.id, conversation)
    this.#created.add(conversation)
    return conversation
  }

  /** `mark` is the `seq` that all of the participant's marks start from. */
  addParticipant (conversation: ConversationRow, user: UserRow, role: Role, mark: number): ParticipantRow {
    this.changes++
    const participant: ParticipantRow = {
      conversation,
      userId: user.id,
      role,
      joinedAt: this.nowIn(conversation),
      joinedSeq: mark,
      deliveredSeq: mark,
      readSeq: mark,
      typingUntil: null,
      displayName: user.displayName,
      avatar: user.avatar,
      senderSeq: this.#senderSeqs.get(JSON.stringify([conversation.id, user.id])) ?? 0
    }
    this.#place(participant)
    this.#joined.add(participant)
    conversation.participantCount++
    this.#countConversation(user.id, 1)
    this.#touched.add(conversation)
    return participant
  }

  changeParticipant (participant: ParticipantRow, change: Partial<ParticipantRow>): void {
    this.changes++
    Object.assign(participant, change)
    if (!this.#joined.has(participant)) this.#changed.add(participant)
  }

  removeParticipant (participant: ParticipantRow): void {
    this.changes++
    const { conversation, userId } = participant
    this.#participants.get(conversation.id)?.delete(userId)
    this.#changed.delete(participant)
    if (!this.#joined.delete(participant)) this.#left.add(participant)
    if (saysSomething(participant)) this.#leavers.push(participant)
    this.#rememberSenderSeq(conversation, userId, participant.senderSeq)
    conversation.participantCount--
    this.#countConversation(userId, -1)
    this.#touched.add(conversation)
  }

  #countConversation (userId: string, more: number): void {
    this.#more.set(userId, (this.#more.get(userId) ?? 0) + more)
  }

  setGroupsMade (userId: string, groupsMade: number, groupsUntil: number): void {
    this.#groupsMade.set(userId, { conversations: 0, groupsMade, groupsUntil })
  }

  /** Gives the message its numbers: the conversation's next, and the sender's next. */
  addMessage (sender: ParticipantRow, { id, clientId, text, type }: Pick<MessageRow, 'id' | 'clientId' | 'text' | 'type'>): MessageRow {
    this.changes++
    const { conversation } = sender
    conversation.messageSeq++
    sender.senderSeq++
    const message: MessageRow = {
      id,
      conversation,
      seq: conversation.messageSeq,
      senderId: sender.userId,
      senderSeq: sender.senderSeq,
      clientId,
      text,
      type,
      createdAt: this.nowIn(conversation),
      editedAt: null,
      deletedAt: null,
      firstTextHash: null
    }
    this.#newMessages.push(message)
    this.#remember(message)
    return message
  }

  changeMessage (message: MessageRow, change: Partial<MessageRow>): void {
    this.changes++
    Object.assign(message, change)
    this.#changedMessages.add(message)
  }

  openStream (stream: StreamRow): void {
    this.changes++
    this.#placeStream(stream)
    this.#opened.add(stream)
  }

  changeStream (stream: StreamRow, change: Pick<StreamRow, 'expiresAt'>): void {
    this.changes++
    Object.assign(stream, change)
    if (!this.#opened.has(stream)) this.#changedStreams.add(stream)
  }

  closeStream (userId: string, streamId: string): void {
    this.changes++
    const stream = this.#streams.get(userId)?.get(streamId)
    if (stream !== undefined) {
      this.#streams.get(userId)?.delete(streamId)
      this.#changedStreams.delete(stream)
      if (this.#opened.delete(stream)) return
    }
    this.#closed.add(streamId)
  }

  // ---- what to tell

  /**
   * Writes a durable event to the conversation's log, and tells it once committed. `about` is what the log keeps of it:
   * the user who did it or whom it is about, the message it points at, a status or role; `at` is when, and an event with
   * `isActivity` moves the conversation to the top of the list.
   */
  log<T extends DurableEventType> (
    conversation: ConversationRow,
    type: T,
    dataOf: (eventSeq: number) => DurableEvents[T],
    about: { userId: string, messageSeq?: number, detail?: string, at: number, isActivity: boolean },
    routing: Pick<Routing, 'except' | 'joins' | 'leaves'> = {}
  ): void {
    this.changes++
    conversation.eventSeq++
    const createdAt = about.at
    conversation.loggedAt = Math.max(conversation.loggedAt, createdAt)
    if (about.isActivity) {
      conversation.updatedAt = createdAt
      this.#active.add(conversation)
    }
    this.#touched.add(conversation)
    const seq = conversation.eventSeq
    const emission = emissionOf<DurableEvents, T>(type, dataOf(seq), { topics: [conversation.id], seq, ...routing })
    this.emissions.push(emission)
    this.#events.push({ row: { conversation, seq, type, userId: about.userId, messageSeq: about.messageSeq ?? null, detail: about.detail ?? null, createdAt }, emission })
  }

  /** Tells an ephemeral event to a conversation. */
  tell<T extends keyof EphemeralEvents> (conversation: ConversationRow, type: T, data: EphemeralEvents[T], except: string): void {
    this.changes++
    this.emissions.push(emissionOf<ChatEvents, keyof EphemeralEvents>(type, data, { topics: [conversation.id], except, after: conversation.eventSeq }))
  }

  /** Tells an ephemeral event about a user to everybody who shares a conversation of at most `sizeMax` participants with them. */
  tellContacts (userId: string, data: EphemeralEvents['onlineStatus'], sizeMax: number): void {
    this.changes++
    const emission = { type: 'onlineStatus' as const, data, topics: [] as string[], except: userId, neverToThem: true }
    this.emissions.push(emission)
    this.#aboutUsers.push({ userId, emission })
    this.#contactsMax = sizeMax
  }

  // ---- writing

  async flush (sql: Sql): Promise<void> {
    if (this.#newUsers.size > 0) await this.#insertUsers(sql)
    if (this.#changedUsers.size > 0) await this.#updateUsers(sql)
    if (this.#created.size > 0) await this.#insertConversations(sql)
    if (this.#more.size > 0) await addConversations(sql, this.#database.dialect, this.#more)
    if (this.#groupsMade.size > 0) await setGroupsMade(sql, this.#database.dialect, this.#groupsMade)
    if (this.#left.size > 0) await this.#deleteParticipants(sql)
    if (this.#leavers.length > 0) await insertFormer(sql, this.#database.dialect, this.#leavers)
    if (this.#joined.size > 0) await this.#insertParticipants(sql)
    if (this.#changed.size > 0) await this.#updateParticipants(sql)
    if (this.#newMessages.length > 0) await this.#insertMessages(sql)
    if (this.#changedMessages.size > 0) await this.#updateMessages(sql)
    if (this.#closed.size > 0) await this.#deleteStreams(sql)
    if (this.#opened.size > 0) await this.#insertStreams(sql)
    if (this.#changedStreams.size > 0) await this.#updateStreams(sql)
    if (this.#aboutUsers.length > 0) await this.#findContacts(sql)
    if (this.#events.length > 0) await this.#appendEvents(sql)
  }

  #table (columns: Parameters<Database['dialect']['table']>[0]): string {
    return this.#database.dialect.table(columns)
  }

  /** Where somebody left while the lock was waited for, their participation isn't found afterwards. */
  async #loadConversations (sql: Sql, { participants, messages, directs }: Keys): Promise<void> {
    const key = this.#table({ id: 'text', user_id: 'text' })
    const wanted: Array<[select: string, rows: unknown[][]]> = [
      [`SELECT ${ownConversation('c.num')} FROM ${key} k JOIN chat_conversations c ON c.id = k.id`, participants],
      [`SELECT ${ownConversation('m.conversation')} FROM ${key} k JOIN chat_messages m ON m.id = k.id`, messages],
      [`SELECT c.num FROM ${this.#table({ id: 'text' })} k JOIN chat_conversations c ON c.id = k.id`, [...directs].map(id => [id])]
    ]
    const parts = wanted.filter(([, rows]) => rows.length > 0)
    // Apart: PostgreSQL decides again about a row that was changed while its lock was waited for, and then loses those that
    // a UNION inside of this condition has named.
    const rows = await sql.query<Record<string, never>>(
      `WITH wanted (num) AS MATERIALIZED (${parts.map(([select]) => select).join(' UNION ALL ')})
       SELECT num, id, type, title, created_by, created_at, updated_at, logged_at, message_seq, event_seq, participant_count
       FROM chat_conversations WHERE num IN (SELECT w.num FROM wanted w)
       ORDER BY num ${this.#database.dialect.lock}`, ...parts.map(([, rows]) => JSON.stringify(rows)))
    for (const row of rows) {
      this.#conversations.set(row.id!, {
        num: Number(row.num),
        id: row.id!,
        type: row.type!,
        title: row.title!,
        createdBy: row.created_by!,
        createdAt: Number(row.created_at),
        updatedAt: Number(row.updated_at),
        loggedAt: Number(row.logged_at),
        messageSeq: Number(row.message_seq),
        eventSeq: Number(row.event_seq),
        participantCount: Number(row.participant_count)
      })
    }
  }

  #takesPart ([conversationId, userId]: readonly [conversationId: string, userId: string, ...unknown[]]): boolean {
    return this.participant(conversationId, userId) !== undefined
  }

  /** The conversations that messages stand in, with the users who asked for them. */
  #placesOf (messages: Keys['messages']): Keys['participants'] {
    return messages.flatMap(([messageId, userId]) => {
      const message = this.#messages.get(messageId)
      return message === undefined ? [] : [[message.conversation.id, userId]]
    })
  }

  async #loadParticipants (sql: Sql, pairs: Keys['participants']): Promise<void> {
    const keys = pairs.flatMap(([id, userId]) => {
      const conversation = this.#conversations.get(id)
      return conversation === undefined ? [] : [[conversation.num, userId]]
    })
    if (keys.length === 0) return
    this.#takeParticipants(await sql.query(
      `SELECT ${participantColumns('k')} FROM (SELECT DISTINCT conversation, user_id FROM ${this.#table({ conversation: 'int', user_id: 'text' })} k) k
       LEFT JOIN chat_participants p ON p.conversation = k.conversation AND p.user_id = k.user_id
       LEFT JOIN chat_users u ON u.id = p.user_id`, JSON.stringify(keys)))
  }

  async #loadCrowds (sql: Sql, ids: string[]): Promise<void> {
    const nums = ids.flatMap(id => this.#conversations.get(id)?.num ?? [])
    if (nums.length === 0) return
    this.#takeParticipants(await sql.query(
      `SELECT ${participantColumns('p')} FROM chat_participants p JOIN chat_users u ON u.id = p.user_id
       WHERE p.conversation IN (SELECT k.num FROM ${this.#table({ num: 'int' })} k)
       ORDER BY p.conversation, p.joined_at, p.user_id`, JSON.stringify(nums.map(num => [num]))))
  }

  #takeParticipants (rows: Array<Record<string, never>>): void {
    const byNum = new Map([...this.#conversations.values()].map(conversation => [conversation.num, conversation]))
    for (const row of rows) {
      const conversation = byNum.get(Number(row.conversation))!
      if (this.participant(conversation.id, row.user_id!) !== undefined) continue
      if (row.role === null) {
        this.#rememberSenderSeq(conversation, row.user_id!, Number(row.sender_seq ?? 0))
        continue
      }
      this.#place({
        conversation,
        userId: row.user_id!,
        role: row.role!,
        joinedAt: Number(row.joined_at),
        joinedSeq: Number(row.joined_seq),
        deliveredSeq: Number(row.delivered_seq),
        readSeq: Number(row.read_seq),
        typingUntil: numberOrNull(row.typing_until),
        displayName: row.display_name!,
        avatar: row.avatar!,
        senderSeq: Number(row.sender_seq ?? 0)
      })
    }
  }

  /** Who was here before and comes back goes on counting. */
  #rememberSenderSeq (conversation: ConversationRow, userId: string, senderSeq: number): void {
    this.#senderSeqs.set(JSON.stringify([conversation.id, userId]), senderSeq)
  }

  #place (participant: ParticipantRow): void {
    const id = participant.conversation.id
    let map = this.#participants.get(id)
    if (map === undefined) this.#participants.set(id, map = new Map())
    map.set(participant.userId, participant)
  }

  async #loadClientIds (sql: Sql, keys: Keys['clientIds']): Promise<void> {
    const wanted = keys.flatMap(([id, userId, clientId]) => {
      const conversation = this.#conversations.get(id)
      return conversation === undefined ? [] : [[conversation.num, userId, clientId]]
    })
    if (wanted.length === 0) return
    this.#takeMessages(await sql.query(
      `SELECT ${MESSAGE} FROM ${this.#table({ conversation: 'int', sender_id: 'text', client_id: 'text' })} k
       JOIN chat_messages m ON m.conversation = k.conversation AND m.sender_id = k.sender_id AND m.client_id = k.client_id`,
      JSON.stringify(wanted)))
  }

  async #loadLastOfOthers (sql: Sql, keys: Keys['lastOfOthers']): Promise<void> {
    const wanted = keys.flatMap(([id, userId, seq], index) => {
      const conversation = this.#conversations.get(id)
      return conversation === undefined ? [] : [[index, conversation.num, userId, Math.min(seq, conversation.messageSeq)]]
    })
    if (wanted.length === 0) return
    const rows = await sql.query<Record<string, never>>(
      `SELECT ${MESSAGE}, k.key FROM ${this.#table({ key: 'int', conversation: 'int', reader: 'text', seq: 'int' })} k
       JOIN chat_messages m ON m.conversation = k.conversation AND m.seq = (
         SELECT x.seq FROM chat_messages x WHERE x.conversation = k.conversation AND x.seq <= k.seq AND x.sender_id <> k.reader
         ORDER BY x.seq DESC LIMIT 1)`, JSON.stringify(wanted))
    this.#takeMessages(rows)
    for (const row of rows) this.#lastOfOthers.set(JSON.stringify(keys[Number(row.key)]), this.#messages.get(row.id!)!)
  }

  async #loadMessages (sql: Sql, keys: Keys['messages']): Promise<void> {
    this.#takeMessages(await sql.query(
      `SELECT ${MESSAGE} FROM ${this.#table({ id: 'text', user_id: 'text' })} k JOIN chat_messages m ON m.id = k.id
       WHERE m.conversation = ${ownConversation('m.conversation')}`, JSON.stringify(keys)))
  }

  async #loadFormer (sql: Sql, ids: Iterable<string>): Promise<void> {
    const places = [...ids].flatMap(id => {
      const message = this.#messages.get(id)
      return message === undefined ? [] : [{ conversation: message.conversation.num, seq: message.seq }]
    })
    this.#former = await findMarks(sql, this.#database.dialect, 'former_participants', rangesOf(places))
  }

  #takeMessages (rows: Array<Record<string, never>>): void {
    const byNum = new Map([...this.#conversations.values()].map(conversation => [conversation.num, conversation]))
    for (const row of rows) {
      const conversation = byNum.get(Number(row.conversation))
      if (conversation === undefined || this.#messages.has(row.id!)) continue
      this.#remember({
        id: row.id!,
        conversation,
        seq: Number(row.seq),
        senderId: row.sender_id!,
        senderSeq: Number(row.sender_seq),
        clientId: row.client_id!,
        text: row.text!,
        type: row.type!,
        createdAt: Number(row.created_at),
        editedAt: numberOrNull(row.edited_at),
        deletedAt: numberOrNull(row.deleted_at),
        firstTextHash: row.first_text_hash!
      })
    }
  }

  #remember (message: MessageRow): void {
    this.#messages.set(message.id, message)
    if (message.clientId !== null) {
      this.#clientIds.set(JSON.stringify([message.conversation.id, message.senderId, message.clientId]), message)
    }
  }

  async #loadUsers (sql: Sql, ids: string[], lock = this.#database.dialect.lock): Promise<void> {
    const rows = await sql.query<Record<string, never>>(
      `SELECT id, display_name, avatar, password_hash, profile_at, created_at, is_online, is_hidden, online_until, last_seen
       FROM chat_users WHERE id IN (SELECT k.id FROM ${this.#table({ id: 'text' })} k)
       ORDER BY id ${lock}`, JSON.stringify(ids.map(id => [id])))
    for (const row of rows) {
      this.#users.set(row.id!, {
        id: row.id!,
        displayName: row.display_name!,
        avatar: row.avatar!,
        passwordHash: row.password_hash!,
        profileAt: Number(row.profile_at),
        createdAt: Number(row.created_at),
        isOnline: Boolean(row.is_online),
        isHidden: Boolean(row.is_hidden),
        onlineUntil: numberOrNull(row.online_until),
        lastSeen: numberOrNull(row.last_seen)
      })
    }
  }

  async #loadStreams (sql: Sql, userIds: string[]): Promise<void> {
    const rows = await sql.query<Record<string, never>>(
      `SELECT s.id, s.node_id, s.user_id, s.conversation_id, s.expires_at
       FROM chat_streams s JOIN chat_nodes n ON n.id = s.node_id
       WHERE n.expires_at > ? AND s.user_id IN (SELECT k.id FROM ${this.#table({ id: 'text' })} k)`,
      this.ticks, JSON.stringify(userIds.map(id => [id])))
    for (const row of rows) {
      this.#placeStream({ id: row.id!, nodeId: row.node_id!, userId: row.user_id!, conversationId: row.conversation_id!, expiresAt: numberOrNull(row.expires_at) })
    }
  }

  async #loadResumables (sql: Sql, keys: Keys['resumables']): Promise<void> {
    const found = await findResumables(sql, this.#database.dialect, keys)
    keys.forEach((key, index) => this.#resumables.set(JSON.stringify(key), found[index]))
  }

  #placeStream (stream: StreamRow): void {
    let map = this.#streams.get(stream.userId)
    if (map === undefined) this.#streams.set(stream.userId, map = new Map())
    map.set(stream.id, stream)
  }

  async #insertUsers (sql: Sql): Promise<void> {
    const rows = [...this.#newUsers].sort(byId).map(user => [user.id, user.displayName, user.avatar, user.passwordHash, user.profileAt,
      user.createdAt, user.isOnline, user.isHidden, user.onlineUntil, user.lastSeen])
    const inserted = await sql.execute(
      `INSERT INTO chat_users (id, display_name, avatar, password_hash, profile_at, created_at, is_online, is_hidden, online_until, last_seen)
       SELECT * FROM ${this.#table(USER_COLUMNS)} k WHERE true ON CONFLICT (id) DO NOTHING`, JSON.stringify(rows))
    if (inserted !== rows.length) throw new Conflict('user')
  }

  async #updateUsers (sql: Sql): Promise<void> {
    const rows = [...this.#changedUsers].map(user => [user.id, user.displayName, user.avatar, user.profileAt,
      user.isOnline, user.isHidden, user.onlineUntil, user.lastSeen])
    const { password_hash: _, created_at: __, ...columns } = USER_COLUMNS
    await sql.execute(
      `UPDATE chat_users SET display_name = k.display_name, avatar = k.avatar, profile_at = k.profile_at, is_online = k.is_online,
         is_hidden = k.is_hidden, online_until = k.online_until, last_seen = k.last_seen
       FROM ${this.#table(columns)} k WHERE chat_users.id = k.id`, JSON.stringify(rows))
  }

  async #insertConversations (sql: Sql): Promise<void> {
    const rows = [...this.#created].sort(byId).map(row => [row.id, row.type, row.title, row.createdBy, row.createdAt, row.updatedAt])
    const inserted = await sql.query<{ id: string, num: number }>(
      `INSERT INTO chat_conversations (id, type, title, created_by, created_at, updated_at)
       SELECT * FROM ${this.#table({ id: 'text', type: 'text', title: 'text', created_by: 'text', created_at: 'bigint', updated_at: 'bigint' })} k
       WHERE true ON CONFLICT (id) DO NOTHING RETURNING id, num`, JSON.stringify(rows))
    if (inserted.length !== rows.length) throw new Conflict('conversation')
    for (const { id, num } of inserted) this.#conversations.get(id)!.num = Number(num)
  }

  async #deleteParticipants (sql: Sql): Promise<void> {
    await sql.execute(
      `DELETE FROM chat_participants WHERE (conversation, user_id) IN
         (SELECT k.conversation, k.user_id FROM ${this.#table({ conversation: 'int', user_id: 'text' })} k)`,
      JSON.stringify([...this.#left].map(row => [row.conversation.num, row.userId])))
  }

  async #insertParticipants (sql: Sql): Promise<void> {
    await sql.execute(
      `INSERT INTO chat_participants (conversation, user_id, role, joined_at, joined_seq, delivered_seq, read_seq, typing_until)
       SELECT * FROM ${this.#table(PARTICIPANT_COLUMNS)} k`,
      JSON.stringify([...this.#joined].map(row => [row.conversation.num, row.userId, row.role, row.joinedAt, row.joinedSeq,
        row.deliveredSeq, row.readSeq, row.typingUntil])))
  }

  async #updateParticipants (sql: Sql): Promise<void> {
    const { joined_at: _, joined_seq: __, ...columns } = PARTICIPANT_COLUMNS
    await sql.execute(
      `UPDATE chat_participants SET role = k.role, delivered_seq = k.delivered_seq, read_seq = k.read_seq, typing_until = k.typing_until
       FROM ${this.#table(columns)} k
       WHERE chat_participants.conversation = k.conversation AND chat_participants.user_id = k.user_id`,
      JSON.stringify([...this.#changed].map(row => [row.conversation.num, row.userId, row.role, row.deliveredSeq, row.readSeq, row.typingUntil])))
  }

  async #insertMessages (sql: Sql): Promise<void> {
    await sql.execute(
      `INSERT INTO chat_messages (id, conversation, seq, sender_id, sender_seq, client_id, text, type, created_at)
       SELECT * FROM ${this.#table({ id: 'text', conversation: 'int', seq: 'int', sender_id: 'text', sender_seq: 'int', client_id: 'text', text: 'text', type: 'text', created_at: 'bigint' })} k`,
      JSON.stringify(this.#newMessages.map(row => [row.id, row.conversation.num, row.seq, row.senderId, row.senderSeq, row.clientId,
        row.text, row.type, row.createdAt])))
  }

  async #updateMessages (sql: Sql): Promise<void> {
    await sql.execute(
      `UPDATE chat_messages SET text = k.text, edited_at = k.edited_at, deleted_at = k.deleted_at, first_text_hash = k.first_text_hash
       FROM ${this.#table({ id: 'text', text: 'text', edited_at: 'bigint', deleted_at: 'bigint', first_text_hash: 'text' })} k
       WHERE chat_messages.id = k.id`,
      JSON.stringify([...this.#changedMessages].map(row => [row.id, row.text, row.editedAt, row.deletedAt, row.firstTextHash])))
  }

  async #deleteStreams (sql: Sql): Promise<void> {
    await sql.execute(`DELETE FROM chat_streams WHERE id IN (SELECT k.id FROM ${this.#table({ id: 'text' })} k)`,
      JSON.stringify([...this.#closed].map(id => [id])))
  }

  async #insertStreams (sql: Sql): Promise<void> {
    await sql.execute(
      `INSERT INTO chat_streams (id, node_id, user_id, conversation_id, expires_at)
       SELECT * FROM ${this.#table({ id: 'text', node_id: 'text', user_id: 'text', conversation_id: 'text', expires_at: 'bigint' })} k`,
      JSON.stringify([...this.#opened].map(row => [row.id, row.nodeId, row.userId, row.conversationId, row.expiresAt])))
  }

  async #updateStreams (sql: Sql): Promise<void> {
    await sql.execute(
      `UPDATE chat_streams SET expires_at = k.expires_at FROM ${this.#table({ id: 'text', expires_at: 'bigint' })} k WHERE chat_streams.id = k.id`,
      JSON.stringify([...this.#changedStreams].map(row => [row.id, row.expiresAt])))
  }

  async #findContacts (sql: Sql): Promise<void> {
    const rows = await sql.query<{ user_id: string, id: string }>(
      `SELECT p.user_id, c.id FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation
       WHERE c.participant_count <= ? AND p.user_id IN (SELECT k.id FROM ${this.#table({ id: 'text' })} k)`,
      this.#contactsMax, JSON.stringify([...new Set(this.#aboutUsers.map(({ userId }) => userId))].map(id => [id])))
    const topics = new Map<string, string[]>(this.#aboutUsers.map(({ userId }) => [userId, []]))
    for (const { user_id: userId, id } of rows) topics.get(userId)!.push(id)
    for (const { userId, emission } of this.#aboutUsers) emission.topics = topics.get(userId)!
  }

  async #appendEvents (sql: Sql): Promise<void> {
    const rows = this.#events.map(({ row }) => row)
    const touched = [...this.#touched].map(conversation => ({ conversation, active: this.#active.has(conversation) }))
    const { position, tag } = this.logged = await appendEvents(sql, this.#database.dialect, rows, touched)
    for (const { row: { conversation }, emission } of this.#events) {
      emission.position = position
      emission.tag = tag
      emission.id = cursorOfTopic(this.#database.identity, conversation.num, emission.seq!, tag)
    }
  }
}
