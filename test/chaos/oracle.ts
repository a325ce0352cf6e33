import { parseCursor } from '../../chat/event-id.js'
import type { CommitWatch } from './commit-watch.js'
import type { LogRow, MessageRow, Snapshot } from './database.js'
import type { Model, SentMessage } from './model.js'
import { textKeyOf, type Received, type Subscriber } from './subscriber.js'

/** A part of a conversation's log during which a user was a participant. The event that ended it belongs to the user, too. */
interface Stay { from: number, to: number }

const MEMBERSHIP = new Set(['participantJoined', 'participantLeft'])

/** Judges the run. Everything here follows from the event log as it is at the end, and from what was promised. */
export class Oracle {
  readonly #snapshot: Snapshot
  readonly #model: Model
  readonly #logs = new Map<string, LogRow[]>()
  readonly #participants = new Set<string>()
  readonly #sent = new Map<string, SentMessage>()
  readonly #commits: CommitWatch
  readonly #problem: (text: string) => void

  constructor (snapshot: Snapshot, model: Model, commits: CommitWatch, problem: (text: string) => void) {
    this.#snapshot = snapshot
    this.#commits = commits
    this.#model = model
    this.#problem = problem
    for (const { id } of snapshot.conversations) this.#logs.set(id, [])
    for (const row of snapshot.log) this.#logs.get(row.conversationId)!.push(row)
    for (const { conversationId, userId } of snapshot.participants) this.#participants.add(`${conversationId} ${userId}`)
    for (const message of model.messages) if (message.saved !== undefined) this.#sent.set(message.saved.id, message)
  }

  // ---- the log itself, and what was acknowledged

  judgeHistory (): void {
    this.#judgeNumbers()
    this.#judgeMessages()
    this.#judgeReceipts()
  }

  #judgeNumbers (): void {
    const { conversations, messages } = this.#snapshot
    for (const { id, eventSeq, messageSeq } of conversations) {
      const log = this.#logs.get(id)!
      if (log.length !== eventSeq) this.#problem(`${id}: ${log.length} events, and eventSeq is ${eventSeq}`)
      log.forEach(({ seq, position, type }, index) => {
        if (seq !== index + 1) this.#problem(`${id}: eventSeq ${seq} in place ${index + 1}`)
        if (index > 0 && position < log[index - 1]!.position) this.#problem(`${id}: position goes back at eventSeq ${seq}`)
        if ((type === 'conversationCreated') !== (seq === 1)) this.#problem(`${id}: ${type} is event ${seq}`)
      })
      const own = messages.filter(({ conversationId }) => conversationId === id)
      if (own.length !== messageSeq) this.#problem(`${id}: ${own.length} messages, and seq is ${messageSeq}`)
      own.forEach(({ seq }, index) => { if (seq !== index + 1) this.#problem(`${id}: seq ${seq} in place ${index + 1}`) })
      const told = log.filter(({ type }) => type === 'message').map(({ messageSeq }) => messageSeq)
      if (told.some((seq, index) => seq !== index + 1) || told.length !== own.length) this.#problem(`${id}: the log's messages are not 1 … ${own.length}`)
    }
  }

  /** Everything that was acknowledged exists once, as it was last acknowledged, and everything that exists was sent. */
  #judgeMessages (): void {
    const byClientId = new Map<string, MessageRow[]>()
    for (const row of this.#snapshot.messages) {
      const key = `${row.senderId} ${row.clientId}`
      byClientId.set(key, [...byClientId.get(key) ?? [], row])
    }
    for (const { senderId, clientId, saved, finalTexts, conversationId } of this.#model.messages) {
      const key = `${senderId} ${clientId}`
      const rows = byClientId.get(key) ?? []
      byClientId.delete(key)
      if (rows.length > 1) this.#problem(`${clientId} is there ${rows.length} times`)
      const [row] = rows
      if (saved !== undefined && (row === undefined || row.id !== saved.id || row.seq !== saved.seq || row.conversationId !== conversationId)) {
        this.#problem(`${clientId} was acknowledged as ${saved.id}, seq ${saved.seq}; there is ${JSON.stringify(row)}`)
      }
      if (row !== undefined && !finalTexts.has(row.text)) this.#problem(`${clientId} ends as ${JSON.stringify(row.text.slice(0, 60))}`)
    }
    for (const key of byClientId.keys()) this.#problem(`nobody has sent ${key}`)
  }

  #judgeReceipts (): void {
    for (const { conversationId, userId, deliveredSeq, readSeq } of this.#snapshot.participants) {
      const { delivered, read } = this.#model.marks(conversationId, userId)
      if (deliveredSeq < delivered || readSeq < read || deliveredSeq < readSeq) {
        this.#problem(`${conversationId}: ${userId} is at ${deliveredSeq}/${readSeq}, and marked ${delivered}/${read}`)
      }
    }
    const marks = new Map<string, { delivered: number, read: number }>()
    for (const { conversationId, type, userId, detail, messageSeq, seq } of this.#snapshot.log) {
      if (type !== 'statusUpdate') continue
      const key = `${conversationId} ${userId}`
      const before = marks.get(key) ?? { delivered: 0, read: 0 }
      const at = messageSeq ?? 0
      if (at <= (detail === 'read' ? before.read : before.delivered)) this.#problem(`${conversationId}: ${userId}'s ${detail} goes back to ${at} in event ${seq}`)
      marks.set(key, { delivered: Math.max(before.delivered, at), read: detail === 'read' ? at : before.read })
    }
  }

  // ---- subscribers

  /** When a subscriber took part in a conversation, by the log. */
  #stays (conversationId: string, userId: string): Stay[] {
    const stays: Stay[] = []
    let from: number | undefined
    const about = this.#logs.get(conversationId)!.filter(({ type, userId: whom }) => MEMBERSHIP.has(type) && whom === userId)
    const isIn = this.#participants.has(`${conversationId} ${userId}`)
    if (about[0] === undefined ? isIn : about[0].type === 'participantLeft') from = 1
    for (const { type, seq } of about) {
      if (type === 'participantJoined') {
        from = seq
      } else if (from !== undefined) {
        stays.push({ from, to: seq })
        from = undefined
      }
    }
    if (from !== undefined) stays.push({ from, to: Infinity })
    if ((stays.at(-1)?.to === Infinity) !== isIn) this.#problem(`${conversationId}: the log and the participants disagree about ${userId}`)
    return stays
  }

  /** What a subscriber must have received when all is quiet: the newest `eventSeq` of each conversation. */
  owed (subscriber: Subscriber): Map<string, number> {
    const { userId, conversationId, echo } = subscriber.options
    const owed = new Map<string, number>()
    const start = subscriber.start === undefined ? undefined : parseCursor(subscriber.start)
    if (start === undefined) return owed
    for (const [id, log] of this.#logs) {
      if ((conversationId !== null && id !== conversationId) || !this.#participants.has(`${id} ${userId}`)) continue
      const last = log.findLast(row => this.#isFor(row, userId, echo) &&
        (start.kind === 'topic' ? row.seq > start.seq : row.position > start.from))
      if (last !== undefined) owed.set(id, last.seq)
    }
    return owed
  }

  #isFor (row: LogRow, userId: string, echo: boolean): boolean {
    return echo || row.type !== 'message' || row.userId !== userId
  }

  /** No event was lost, repeated, out of order or sent after a removal, and each was as in the log. */
  judgeSubscriber (subscriber: Subscriber): void {
    const problem = (text: string): void => { this.#problem(`${subscriber.name}: ${text}`) }
    const { conversationId } = subscriber.options
    const start = subscriber.start === undefined ? undefined : parseCursor(subscriber.start)
    if (start === undefined) {
      if (subscriber.received.length > 0) problem(`began at ${subscriber.start}`)
      return
    }
    const byConversation = new Map<string, Received[]>()
    for (const event of subscriber.received) byConversation.set(event.conversationId, [...byConversation.get(event.conversationId) ?? [], event])
    for (const [id, received] of byConversation) {
      const log = this.#logs.get(id)
      if (log === undefined) {
        problem(`events of ${id}, which isn't there`)
        continue
      }
      for (const event of received) this.#judgeEvent(event, log[event.eventSeq - 1], subscriber, problem)
    }
    for (const [id, log] of this.#logs) {
      if (conversationId !== null && id !== conversationId) continue
      const after = start.kind === 'topic' ? start.seq : log.findLast(({ position }) => position <= start.from)?.seq ?? 0
      this.#judgeConversation(id, log, byConversation.get(id) ?? [], after, subscriber, problem)
    }
    this.#judgeHeard(subscriber, problem)
  }

  #judgeConversation (id: string, log: LogRow[], received: Received[], after: number, subscriber: Subscriber, problem: (text: string) => void): void {
    const { userId, echo, conversationId } = subscriber.options
    const got = new Set(received.map(({ eventSeq }) => eventSeq))
    const stays = this.#stays(id, userId)
    const early = received.find(({ eventSeq }) => eventSeq <= after)
    if (early !== undefined) problem(`${id}: event ${early.eventSeq}, position ${log[early.eventSeq - 1]?.position}, on connection ${early.connection + 1}, although it began with ${subscriber.start}, after ${after}`)

    // Events during a user's absence may be read by a user who came back, and by nobody else.
    stays.forEach(({ to }, index) => {
      const back = stays[index + 1]
      const isBackAt = back === undefined ? Infinity : this.#commits.notBefore(log[back.from - 1]!.position)
      for (const { eventSeq, at } of received) {
        if (eventSeq > to && eventSeq < (back?.from ?? Infinity) && at < isBackAt) problem(`${id}: event ${eventSeq} after the removal in ${to}, at ${new Date(at).toISOString()}, and back in ${back?.from} at ${back === undefined ? 'no time' : new Date(isBackAt).toISOString()}`)
      }
    })

    const stretches = conversationId === null ? stays : stays.length === 0 ? [] : [{ from: 1, to: stays.at(-1)!.to }]
    for (const { from, to } of stretches) {
      const due = log.filter(row => row.seq >= from && row.seq <= to && row.seq > after && this.#isFor(row, userId, echo)).map(({ seq }) => seq)
      const whole = to === Infinity && !subscriber.left
      const last = whole ? due.length - 1 : due.findLastIndex(seq => got.has(seq))
      const lost = due.slice(0, last + 1).filter(seq => !got.has(seq))
      if (lost.length > 0) problem(`${id}: lost ${lost.slice(0, 8).join(', ')}${lost.length > 8 ? ` … (${lost.length})` : ''} of ${due[0]} … ${due.at(-1)}; ${this.#around(lost[0]!, id, received, subscriber)}`)
    }
  }

  /** Describes where in a subscriber's stream something is missing. */
  #around (seq: number, id: string, received: Received[], subscriber: Subscriber): string {
    const before = received.findLast(({ eventSeq }) => eventSeq < seq)
    const next = received.find(({ eventSeq }) => eventSeq > seq)
    const row = this.#logs.get(id)![seq - 1]!
    const show = (event: Received | undefined): string => event === undefined
      ? 'nothing'
      : `${event.eventSeq} at ${new Date(event.at).toISOString()} (connection ${event.connection + 1} of ${subscriber.openedAt.length}, opened ${new Date(subscriber.openedAt[event.connection]!).toISOString()})`
    const about = this.#logs.get(id)!.filter(({ type, userId }) => MEMBERSHIP.has(type) && userId === subscriber.options.userId)
      .map(({ type, seq, position }) => `${type} ${seq} ${this.#when(position)}`)
    return `${row.type} ${seq}, position ${row.position}, ${this.#when(row.position)}; before it ${show(before)}, after it ${show(next)}; the log has ${about.join(', ')}`
  }

  #judgeEvent (event: Received, row: LogRow | undefined, subscriber: Subscriber, problem: (text: string) => void): void {
    const { eventSeq, type, messageId, textKey, connection } = event
    if (row === undefined || row.type !== type || (row.messageId !== null && row.messageId !== messageId)) {
      return problem(`${event.conversationId}: ${type} ${eventSeq} is ${row?.type ?? 'nothing'} in the log`)
    }
    if (textKey === undefined || messageId === undefined) return
    const message = this.#sent.get(messageId)
    if (message === undefined) return
    if (![...message.texts, ''].some(text => textKeyOf(text) === textKey)) problem(`${type} ${eventSeq} says ${textKey}`)
    if (message.deletedAt !== undefined && message.deletedAt < subscriber.openedAt[connection]! && textKey !== textKeyOf('')) {
      problem(`${event.conversationId}: ${type} ${eventSeq} shows a text that was deleted before`)
    }
  }

  /**
   * No typing, and nothing of what grows, of a conversation that the user is not in: neither after the removal on the same stream, nor on a
   * connection that ended before the user joined.
   */
  #judgeHeard ({ heard, received, openedAt, options: { userId } }: Subscriber, problem: (text: string) => void): void {
    for (const { conversationId, type, at, connection, behind } of heard) {
      if (type === 'onlineStatus' || conversationId === undefined) continue
      const log = this.#logs.get(conversationId)
      if (log === undefined) continue
      const last = received.slice(0, behind).findLast(
        event => event.connection === connection && event.conversationId === conversationId && event.userId === userId && MEMBERSHIP.has(event.type)
      )
      const left = last?.type === 'participantLeft' ? last : undefined
      const since = left?.at ?? openedAt[connection]!
      const isIn = this.#stays(conversationId, userId).some(({ from, to }) => to !== left?.eventSeq &&
        this.#commits.notBefore(log[from - 1]!.position) <= at && (to === Infinity || this.#commits.notAfter(log[to - 1]!.position) >= since))
      if (!isIn) problem(`${conversationId}: ${type} at ${new Date(at).toISOString()}, when it wasn't a participant`)
    }
  }

  #when (position: number): string {
    const by = this.#commits.notAfter(position)
    return by === Infinity ? 'at an unknown time' : `by ${new Date(by).toISOString()}`
  }
}
