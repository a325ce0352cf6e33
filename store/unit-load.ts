// SQL by hand: locks, and one statement for all commands of a transaction.
import { findResumables } from './followable.js'
import { IdentityMap, keyOf } from './identity-map.js'
import type { Keys, WantedRows } from './keys.js'
import {
  conversation, conversationNum, message, participant, placed, profile, profileWithId, statements, stream, toLock, unreadMark, user, type Placed
} from './load-statements.js'
import { findMarks, rangesOf } from './marks.js'
import { findOwnStates } from './own-states.js'
import { findQuotas } from './quotas.js'
import { readMentions } from './rendering.js'
import { nameOf } from './row-sets.js'
import { rowStatements } from './row-statements.js'
import type { ConversationRow, MessageRow } from './rows.js'
import { Conflict } from './unit-write.js'
import { lookUp, type Dialect, type Param, type Sql } from './sql.js'
import { columnOf, keyed, type Table } from './table.js'
import * as tables from './tables.js'

/**
 * Loads and locks what the commands named: conversations first, then users, each in the same order on all nodes. Streams
 * count if the lease of their node has not lapsed at `ticks` (see `SharedClock`).
 */
export async function load (dialect: Dialect, sql: Sql, keys: Keys, ticks: number): Promise<IdentityMap> {
  const loader = new Loader(sql, dialect)
  if (keys.participants.length + keys.messages.length + keys.directs.size > 0) await loader.enter(keys)
  if (loader.map.conversations.size > 0) await loader.insideConversations(keys)
  loader.markedUnread(keys)
  if (keys.users.size > 0) await loader.users([...keys.users], dialect.lock)
  if (keys.directs.size > 0 && dialect.lock !== '') await loader.assertStillMissing(keys.directs)
  // Not before the user is locked: another transaction may have changed it meanwhile.
  if (keys.ownStates.length > 0) await loader.ownStates(keys.ownStates)
  if (keys.quotas.size > 0) loader.map.quotas = await findQuotas(sql, dialect, keys.quotas)
  const profiles = [...keys.profiles].filter(id => !keys.users.has(id))
  if (profiles.length > 0) await loader.users(profiles, '')
  if (keys.streams.size > 0) await loader.streams([...keys.streams], ticks)
  if (keys.rowSets.length > 0) await loader.rowSets(keys.rowSets)
  if (keys.resumables.length > 0) await loader.resumables(keys.resumables)
  return loader.map
}

class Loader {
  readonly map = new IdentityMap()
  readonly #sql: Sql
  readonly #dialect: Dialect
  readonly #byNum = new Map<number, ConversationRow>()
  /** Participants who have marked messages as unread, by conversation and user (see `keyOf`). */
  readonly #markedUnread = new Set<string>()

  constructor (sql: Sql, dialect: Dialect) {
    this.#sql = sql
    this.#dialect = dialect
  }

  /**
   * The conversations that the commands named, if the caller participates, with the callers, and the messages that they named there. On
   * PostgreSQL this is one round trip: the statement that locks is sent first, and those behind it see what is committed when it has all locks.
   */
  async enter (keys: Keys): Promise<void> {
    const messages = distinct(keys.messages)
    const [locked, callers, ofMessages, directs, named, sent] = await Promise.all([
      this.#lock(keys),
      this.#lookUp<Placed>('entered', distinct(keys.participants)),
      this.#lookUp<Placed>('enteredByMessage', messages),
      this.#lookUp('directs', [...keys.directs].map(id => [id])),
      this.#lookUp('messages', messages),
      this.#lookUp('sentAs', keys.clientIds)
    ])
    const participating = [...callers, ...ofMessages].filter(row => participant.readOptional(row) !== undefined)
    for (const row of [...participating, ...directs]) {
      const { num } = conversationNum.read(row)
      // Who came in after the lock was asked for finds it not locked.
      if (this.#byNum.has(num) || locked?.has(num) === false) continue
      const found = conversation.read(row)
      this.map.conversations.set(found.id, found)
      this.#byNum.set(num, found)
    }
    this.#placeParticipants([...callers, ...ofMessages])
    this.#placeMessages([...named, ...sent])
  }

  /** Locks the conversations in order, by one statement. @returns their numbers; undefined where nothing has to be locked */
  async #lock ({ participants, messages, directs }: Keys): Promise<Set<number> | undefined> {
    if (this.#dialect.lock === '') return undefined
    const select = toLock(this.#dialect)
    const all: Array<[select: string, keys: unknown[][]]> = [
      [select.participants, distinct(participants)], [select.messages, distinct(messages)], [select.directs, [...directs].map(id => [id])]
    ]
    const asked = all.filter(([, keys]) => keys.length > 0)
    // The CTE is needed: PostgreSQL checks the condition again for a row that changed while its lock was waited for, and would
    // lose rows that a UNION within the condition has named.
    const rows = await this.#sql.query(
      `WITH wanted (num) AS MATERIALIZED (${asked.map(([select]) => select).join(' UNION ALL ')})
       SELECT ${conversationNum.columns} FROM chat_conversations c WHERE c.num IN (SELECT w.num FROM wanted w)
       ORDER BY c.num ${this.#dialect.lock}`, ...asked.map(([, keys]) => JSON.stringify(keys)))
    return new Set(rows.map(row => conversationNum.read(row).num))
  }

  /**
   * A direct conversation that was not there may have been created since, by a transaction that this one waited for at the lock of a user:
   * then it is not locked here. @throws {Conflict}
   */
  async assertStillMissing (directs: ReadonlySet<string>): Promise<void> {
    const missing = [...directs].filter(id => !this.map.conversations.has(id))
    if (missing.length === 0) return
    const rows = await this.#lookUp('directs', missing.map(id => [id]))
    if (rows.length > 0) throw new Conflict('conversation')
  }

  /** The rest of what belongs to the conversations, where the caller participates. What doesn't depend on each other is one round trip. */
  async insideConversations (keys: Keys): Promise<void> {
    for (const key of keys.profilesOfOthers) if (this.#participates(key)) keys.profiles.add(key[2])
    for (const key of keys.invitations) {
      if (!this.#participates(key)) continue
      const [, callerId, userId] = key
      keys.users.add(userId)
      keys.rowSets.push({ table: tables.blocks, values: { userId, blockedId: callerId } })
    }
    for (const [id, callerId, userId, most] of keys.quotasOfOthers) {
      if (this.#participates([id, callerId])) keys.quotas.set(userId, most)
    }
    const own = <Key extends readonly [conversationId: string, userId: string, ...unknown[]]>(all: readonly Key[]): Key[] =>
      all.filter(key => this.#participates(key))
    await Promise.all([
      this.#participants(own(keys.others).map(([id, , userId]) => [id, userId])),
      this.#present(own(keys.mentioned)),
      this.#replied(own(keys.replied)),
      this.#crowds([...new Set(own([...keys.crowds, ...this.#placesOf(keys.crowdsOfMessages)]).map(([id]) => id))]),
      this.#lastSent(keys),
      this.#lastOfOthers(own(keys.lastOfOthers)),
      this.#former(keys.formerOf)
    ])
    if (keys.shown.size > 0) await this.#shown(keys.shown)
  }

  #participates ([conversationId, userId]: readonly [conversationId: string, userId: string, ...unknown[]]): boolean {
    return this.map.participant(conversationId, userId) !== undefined
  }

  /** The conversations of messages, with the users who asked for them. */
  #placesOf (keys: Keys['messages']): Keys['participants'] {
    return keys.flatMap(([messageId, userId]) => {
      const found = this.map.messages.get(messageId)
      return found === undefined ? [] : [[found.conversation.id, userId]]
    })
  }

  async #participants (pairs: Keys['participants']): Promise<void> {
    const keys = distinct(pairs).flatMap(([id, userId]) => {
      const found = this.map.conversations.get(id)
      return found === undefined ? [] : [[found.num, userId, found.type === 'direct']]
    })
    this.#placeParticipants(await this.#lookUp('participants', keys))
  }

  async #lookUp<Row> (statement: keyof ReturnType<typeof statements>, keys: readonly Param[][]): Promise<Row[]> {
    return keys.length === 0 ? [] : await lookUp(this.#sql, statements(this.#dialect)[statement], keys)
  }

  async #crowds (ids: string[]): Promise<void> {
    const nums = ids.flatMap(id => this.map.conversations.get(id)?.num ?? [])
    if (nums.length === 0) return
    this.#placeParticipants(await this.#sql.query(
      `SELECT ${placed('p.conversation', 'p.user_id')} FROM chat_participants p JOIN chat_users u ON u.id = p.user_id
       WHERE p.conversation IN (SELECT k.num FROM ${this.#dialect.table({ num: 'int' })} k)
       ORDER BY p.conversation, p.joined_at, p.user_id`, JSON.stringify(nums.map(num => [num]))))
  }

  #placeParticipants (rows: Placed[]): void {
    for (const row of rows) {
      const conversation = this.#byNum.get(Number(row.conversation))
      const userId = row.user_id
      if (conversation !== undefined && Boolean(row.blocked)) this.map.blocked.add(conversation.id)
      if (conversation === undefined || this.map.participant(conversation.id, userId) !== undefined) continue
      const senderSeq = Number(row.sender_seq ?? 0)
      const found = participant.readOptional(row)
      if (found === undefined) {
        this.map.placeSenderSeq(conversation.id, userId, senderSeq)
      } else {
        this.map.placeParticipant({ conversation, userId, ...found, ...profile.read(row), senderSeq })
        if (unreadMark.read(row).unreadFrom !== null) this.#markedUnread.add(keyOf(conversation.id, userId))
      }
    }
  }

  async #present (mentioned: Keys['mentioned']): Promise<void> {
    // Messages that are sent together mention the same people.
    const keys = distinct(mentioned.map(([conversationId, , userId]) => [conversationId, userId])).flatMap(([conversationId, userId]) => {
      const found = this.map.conversations.get(conversationId)
      return found === undefined ? [] : [[found.num, userId]]
    })
    for (const row of await this.#lookUp<{ conversation: number }>('present', keys)) {
      const { id: userId, ...shown } = profileWithId.read(row)
      const conversation = this.#byNum.get(Number(row.conversation))
      if (conversation !== undefined) this.map.placePresent(conversation.id, { userId, ...shown })
    }
  }

  /** Messages that will be quoted, with their senders. */
  async #replied (keys: Keys['replied']): Promise<void> {
    const wanted = keys.flatMap(([conversationId, , messageId]) => {
      const found = this.map.conversations.get(conversationId)
      return found === undefined ? [] : [[messageId, found.num]]
    })
    const rows = await this.#lookUp('replied', wanted)
    this.#placeMessages(rows)
    this.#placeProfiles(rows)
  }

  /** The messages that these quote, and the profiles of all who are shown. */
  async #shown (messageIds: ReadonlySet<string>): Promise<void> {
    const rows = [...messageIds].flatMap(id => this.map.messages.get(id) ?? [])
    const quoted = rows.flatMap(({ conversation, replyTo }) =>
      replyTo === null || this.map.messageAt(conversation, replyTo) !== undefined ? [] : [[conversation.num, replyTo]])
    if (quoted.length > 0) this.#placeMessages(await this.#lookUp('messagesAt', quoted))
    const userIds = new Set<string>()
    for (const { conversation, userId } of rows.flatMap(row => this.#shownBy(row))) {
      if (this.map.participant(conversation.id, userId) === undefined) userIds.add(userId)
    }
    if (userIds.size > 0) await this.#profiles([...userIds])
  }

  #shownBy ({ conversation, senderId, replyTo, mentions }: MessageRow): Array<{ conversation: ConversationRow, userId: string }> {
    const quoted = replyTo === null ? undefined : this.map.messageAt(conversation, replyTo)
    const userIds = [senderId, ...(quoted === undefined ? [] : [quoted.senderId]), ...readMentions(mentions).map(({ userId }) => userId)]
    return userIds.map(userId => ({ conversation, userId }))
  }

  async #profiles (userIds: string[]): Promise<void> {
    this.#placeProfiles(await this.#sql.query(`SELECT ${profileWithId.columns} FROM chat_users u
      WHERE u.id IN (SELECT k.id FROM ${keyed(tables.users, this.#dialect, ['id'])} k)`, JSON.stringify(userIds.map(id => [id]))))
  }

  #placeProfiles (rows: unknown[]): void {
    for (const row of rows) {
      const { id, ...rest } = profileWithId.read(row)
      this.map.profiles.set(id, { userId: id, ...rest })
    }
  }

  /** Only where a conversation has settings, or gets some in this transaction. */
  async #lastSent ({ senders, settled }: Keys): Promise<void> {
    const wanted = senders.filter(key => this.#participates(key)).flatMap(([id, userId]) => {
      const found = this.map.conversations.get(id)
      return found === undefined || (found.settings === null && !settled.has(id)) ? [] : [[found.num, userId]]
    })
    if (wanted.length === 0) return
    const rows = await this.#sql.query<{ conversation: number, user_id: string, sent_at: number | bigint | null }>(
      `SELECT k.conversation, k.user_id, (SELECT m.created_at FROM chat_messages m
         WHERE m.conversation = k.conversation AND m.sender_id = k.user_id ORDER BY m.seq DESC LIMIT 1) AS sent_at
       FROM ${keyed(tables.participants, this.#dialect, ['conversation', 'userId'])} k`, JSON.stringify(wanted))
    for (const { conversation, user_id: userId, sent_at: sentAt } of rows) {
      const found = this.#byNum.get(Number(conversation))
      if (found !== undefined && sentAt !== null) this.map.lastSentAt.set(keyOf(found.id, userId), Number(sentAt))
    }
  }

  async #lastOfOthers (keys: Keys['lastOfOthers']): Promise<void> {
    const wanted = keys.flatMap(([id, userId, seq], index) => {
      const found = this.map.conversations.get(id)
      return found === undefined ? [] : [[index, found.num, userId, Math.min(seq, found.messageSeq)]]
    })
    if (wanted.length === 0) return
    const rows = await this.#sql.query<{ key: number }>(
      `SELECT ${message.columns}, k.key FROM ${this.#dialect.table({ key: 'int', conversation: 'int', reader: 'text', seq: 'int' })} k
       JOIN chat_messages m ON m.conversation = k.conversation AND m.seq = (
         SELECT x.seq FROM chat_messages x WHERE x.conversation = k.conversation AND x.seq <= k.seq AND x.sender_id <> k.reader
         ORDER BY x.seq DESC LIMIT 1)`, JSON.stringify(wanted))
    this.#placeMessages(rows)
    for (const row of rows) {
      const key = keys[Number(row.key)]
      const found = this.map.messages.get(message.read(row).id)
      if (key !== undefined && found !== undefined) this.map.lastOfOthers.set(keyOf(...key), found)
    }
  }

  #placeMessages (rows: unknown[]): void {
    for (const row of rows) {
      const found = message.read(row)
      const conversation = this.#byNum.get(found.conversation)
      if (conversation === undefined || this.map.messages.has(found.id)) continue
      // A copy with another conversation would cost 3 µs.
      this.map.placeMessage(Object.assign(found as Omit<typeof found, 'conversation'>, { conversation }))
    }
  }

  /** Names the own states of readers who have marked messages as unread, with the users. */
  markedUnread (keys: Keys): void {
    for (const [conversationId, userId] of [...keys.readers, ...this.#placesOf(keys.readersOfMessages)]) {
      if (!this.#markedUnread.has(keyOf(conversationId, userId))) continue
      keys.users.add(userId)
      keys.ownStates.push([conversationId, userId])
    }
  }

  async ownStates (keys: Keys['ownStates']): Promise<void> {
    for (const row of await findOwnStates(this.#sql, this.#dialect, keys)) this.map.ownStates.set(keyOf(row.conversationId, row.userId), row)
  }

  async #former (messageIds: ReadonlySet<string>): Promise<void> {
    if (messageIds.size === 0) return
    const places = [...messageIds].flatMap(id => {
      const found = this.map.messages.get(id)
      return found === undefined ? [] : [{ conversation: found.conversation.num, seq: found.seq }]
    })
    this.map.former = await findMarks(this.#sql, this.#dialect, 'former_participants', rangesOf(places))
  }

  async users (ids: string[], lock: string): Promise<void> {
    const rows = await this.#sql.query(
      `SELECT ${user.columns} FROM chat_users u WHERE u.id IN (SELECT k.id FROM ${keyed(tables.users, this.#dialect, ['id'])} k)
       ORDER BY u.id ${lock}`, JSON.stringify(ids.map(id => [id])))
    for (const row of rows) {
      const found = user.read(row)
      this.map.users.set(found.id, found)
    }
  }

  async streams (userIds: string[], ticks: number): Promise<void> {
    const rows = await this.#sql.query(
      `SELECT ${stream.columns} FROM chat_streams s JOIN chat_nodes n ON n.id = s.node_id
       WHERE n.expires_at > ? AND s.user_id IN (SELECT k.id FROM ${keyed(tables.users, this.#dialect, ['id'])} k)`,
      ticks, JSON.stringify(userIds.map(id => [id])))
    for (const row of rows) this.map.placeStream(stream.read(row))
  }

  /** Rows of tables without code of their own: one statement for all that are found by the same fields. */
  async rowSets (wanted: readonly WantedRows[]): Promise<void> {
    const byFields = new Map<string, { table: Table<unknown>, isLocked: boolean, all: Array<Record<string, unknown>> }>()
    // Those that are locked come first, so that none is loaded without its lock.
    for (const set of wanted.toSorted((a, b) => Number(b.isLocked ?? false) - Number(a.isLocked ?? false))) {
      const values = this.#valuesOf(set)
      if (values === undefined || !this.map.rows.open(set.table, values)) continue
      const isLocked = set.isLocked === true
      const name = [isLocked, ...nameOf(set.table, values).slice(0, -1)].join(' ')
      const group = byFields.get(name)
      if (group === undefined) byFields.set(name, { table: set.table, isLocked, all: [values] })
      else group.all.push(values)
    }
    for (const { table, isLocked, all } of byFields.values()) {
      const { sql, parameter, read } = rowStatements(this.#dialect).select(table, Object.keys(all[0]!).sort())
      const lock = isLocked && this.#dialect.lock !== '' ? ` ORDER BY ${table.key.map(field => `t.${columnOf(field)}`).join(', ')} ${this.#dialect.lock} OF t` : ''
      for (const row of await this.#sql.query(`${sql}${lock}`, parameter(all as never))) {
        const found = read(row) as { conversation?: unknown }
        if (typeof found.conversation === 'number') found.conversation = this.#byNum.get(found.conversation)
        this.map.rows.place(table, found)
      }
    }
  }

  #valuesOf ({ table, values, of }: WantedRows): Record<string, unknown> | undefined {
    if (of === undefined) return { ...values }
    const message = 'messageId' in of ? this.map.messages.get(of.messageId) : undefined
    const conversation = 'messageId' in of ? message?.conversation : this.map.conversations.get(of.conversationId)
    if (conversation === undefined || !this.#participates([conversation.id, of.callerId])) return undefined
    return { ...values, conversation, ...(message === undefined ? {} : { [table.ofMessage!]: message.seq }) }
  }

  async resumables (keys: Keys['resumables']): Promise<void> {
    const found = await findResumables(this.#sql, this.#dialect, keys)
    keys.forEach((key, index) => this.map.resumables.set(keyOf(...key), found[index]))
  }
}

/** Keys of two ids, each once. */
function distinct (keys: ReadonlyArray<[string, string]>): Array<[string, string]> {
  const seen = new Map<string, Set<string>>()
  return keys.filter(([first, second]) => {
    const seconds = seen.get(first)
    if (seconds === undefined) seen.set(first, new Set([second]))
    else if (seconds.has(second)) return false
    else seconds.add(second)
    return true
  })
}
