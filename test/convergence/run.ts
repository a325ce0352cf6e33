import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Conversation } from '../../schemas/conversations.js'
import type { MentionPage, MessagePage, OwnMessage, ReactionPage, ReceiptPage } from '../../schemas/messages.js'
import { callOnce } from '../chaos/api.js'
import { openHarnessDatabase, withSchema, type HarnessDatabase } from '../chaos/database.js'
import { Rng } from '../chaos/rng.js'
import { ServerProcess } from '../chaos/server-process.js'
import { mint } from '../chaos/token.js'
import { connect, type EventReader, type StreamEvent } from '../event-reader.js'
import { difference, fold, quoteOf, stateOf, type State } from './state.js'

export interface ConvergenceOptions {
  seed: string
  operations: number
  /** Processes on the same database. */
  nodes?: number
  /** Whether processes are killed with SIGKILL in between. */
  kills?: boolean
  /** Default: a SQLite file in a throw-away folder. On PostgreSQL, the run creates a schema of its own, and drops it. */
  databaseUrl?: string
  onProgress?: (text: string) => void
}

export interface ConvergenceReport {
  seed: string
  /** How often each kind of write was answered with success. */
  operations: Record<string, number>
  messages: number
  snapshots: number
  /** Snapshots that were brought up to date by events and compared, and how many events that took. */
  folds: number
  events: number
  kills: number
  problems: string[]
}

const OPERATIONS = {
  send: 26,
  reply: 14,
  edit: 8,
  metadata: 6,
  remove: 6,
  grow: 7,
  append: 16,
  finish: 5,
  moderate: 4,
  settings: 8,
  react: 22,
  unreact: 10,
  mark: 8,
  join: 4,
  leave: 4,
  role: 2,
  profile: 3
}
type Operation = keyof typeof OPERATIONS

const USERS = Array.from({ length: 5 }, (_, index) => `user${index}`)
/** Few, so that they meet. */
const EMOJI = ['👍', '❤', '❤️', '🎉', '👩🏻\u200d🚀', '1️⃣']
/** Operations at the same moment. */
const AT_ONCE_MAX = 5
const KILL_EVERY = 60
const SNAPSHOTS_MAX = 40
/** What grows is finished after this long: the servers do it after a minute of silence, at an instant that nobody knows. */
const GROWING_MS = 30_000
const PATIENCE_MS = 20_000
/** Success, and refusals that are right where two want the same. */
const EXPECTED = new Set([200, 201, 204, 403, 404, 409, 422, 429])

interface Room { id: string, fixed: boolean }
interface Known { room: Room, id: string, senderId: string }
/** A message that grows, and how long it is as far as is known. */
interface Growing extends Known { length: number, since: number }

/** What somebody saw, and the id of a stream that tells what came after it, and perhaps some that it shows already. */
interface Snapshot { room: Room, state: State, lastEventId: string, all: boolean }

/**
 * Random writes of all kinds, some at the same moment. Snapshots that are as old as one likes, brought up to date by the events of
 * a resumed stream, are compared with what is fetched anew.
 */
export async function runConvergence (options: ConvergenceOptions): Promise<ConvergenceReport> {
  const run = new Run(options)
  try {
    return await run.run()
  } finally {
    await run.dispose()
  }
}

class Run {
  readonly #options: ConvergenceOptions
  readonly #rng: Rng
  readonly #folder = mkdtempSync(join(tmpdir(), 'convergence-'))
  readonly #databaseUrl: string
  readonly #servers: ServerProcess[] = []
  readonly #tokens = new Map<string, string>(USERS.map(userId => [userId, mint(userId)]))
  readonly #rooms: Room[] = []
  readonly #known: Known[] = []
  #growing: Growing[] = []
  readonly #snapshots: Snapshot[] = []
  readonly #report: ConvergenceReport
  #database: HarnessDatabase | undefined
  #unanswered: Array<[userId: string, body: object]> = []
  #clientIds = 0

  constructor (options: ConvergenceOptions) {
    this.#options = options
    this.#rng = new Rng(options.seed)
    this.#report = { seed: options.seed, operations: {}, messages: 0, snapshots: 0, folds: 0, events: 0, kills: 0, problems: [] }
    this.#databaseUrl = options.databaseUrl === undefined
      ? `file:${join(this.#folder, 'chat.db')}`
      : withSchema(options.databaseUrl, `convergence_${randomBytes(6).toString('hex')}`)
  }

  async run (): Promise<ConvergenceReport> {
    const { operations, nodes = 1, kills = false, onProgress } = this.#options
    for (let node = 0; node < nodes; node++) {
      const server = await ServerProcess.create({ DATABASE_URL: this.#databaseUrl, MAX_STREAMS_PER_USER: '1000' })
      this.#servers.push(server)
      await server.start()
    }
    this.#database = await openHarnessDatabase(this.#databaseUrl)
    for (const userId of USERS) await this.#get(userId, '/api/chat/me')
    await this.#openRoom({ type: 'direct', userId: USERS[1] }, true)
    await this.#openRoom({ type: 'group', participantIds: USERS.slice(1, 4) }, true)
    await this.#openRoom({ type: 'group', participantIds: USERS.slice(1) }, false)

    let untilKill = this.#rng.integer(KILL_EVERY / 2, KILL_EVERY)
    for (let done = 0; done < operations;) {
      const count = this.#rng.integer(1, AT_ONCE_MAX)
      const work: Array<Promise<void>> = Array.from({ length: count }, async () => { await this.#operate(this.#rng.weighted(OPERATIONS)) })
      // One that is taken meanwhile may show more than its id stands for.
      if (this.#rng.chance(0.1)) work.push(this.#takeSnapshot())
      if (kills && (untilKill -= count) <= 0) {
        untilKill = this.#rng.integer(KILL_EVERY / 2, KILL_EVERY)
        await this.#killAmid(work)
      } else {
        await Promise.all(work)
      }
      done += count
      for (const old of this.#growing.filter(({ since }) => performance.now() - since > GROWING_MS)) await this.#finish(old)
      if (this.#rng.chance(0.12)) await this.#takeSnapshot()
      if (this.#rng.chance(0.05) && this.#snapshots.length > 0) await this.#bringUpToDate(this.#rng.pick(this.#snapshots))
      if (done % 200 < count) onProgress?.(`${done} operations, ${this.#report.folds} snapshots compared`)
      if (this.#report.problems.length > 5) break
    }
    for (const snapshot of this.#snapshots) await this.#bringUpToDate(snapshot)
    for (const room of this.#rooms) await this.#recount(room)
    return this.#report
  }

  async dispose (): Promise<void> {
    for (const server of this.#servers) await server.dispose()
    await this.#database?.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  // ---- calls

  get #port (): number {
    return this.#rng.pick(this.#servers).port
  }

  async #call (userId: string, method: string, path: string, body?: unknown): Promise<{ status: number, body: Record<string, unknown> }> {
    const answer = await callOnce(this.#port, method, path, { token: this.#tokens.get(userId)!, ...(body === undefined ? {} : { body }) })
    if (!EXPECTED.has(answer.status)) this.#problem(`${userId} ${method} ${path} was answered ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer
  }

  async #get<Body> (userId: string, path: string): Promise<Body> {
    const { status, body } = await this.#call(userId, 'GET', path)
    if (status !== 200) throw new Error(`${userId} GET ${path}: ${status}`)
    return body as Body
  }

  async #openRoom (body: object, fixed: boolean): Promise<void> {
    const answer = await this.#call(USERS[0]!, 'POST', '/api/chat/conversations', body)
    this.#rooms.push({ id: String(answer.body.id), fixed })
  }

  #problem (text: string): void {
    this.#report.problems.push(text)
  }

  /** Kills a process while it works, starts it again, and sends what was not answered once more. */
  async #killAmid (work: Array<Promise<void>>): Promise<void> {
    const server = this.#rng.pick(this.#servers)
    const settled = Promise.allSettled(work)
    for (let turns = this.#rng.integer(1, 30); turns > 0; turns--) await setImmediate()
    await server.kill()
    await settled
    await server.start()
    this.#report.kills++
    for (const [userId, body] of this.#unanswered.splice(0)) await this.#call(userId, 'POST', '/api/chat/messages', body)
  }

  // ---- writes

  async #operate (operation: Operation): Promise<void> {
    const userId = this.#rng.pick(USERS)
    const room = this.#rng.pick(this.#rooms)
    const target = this.#known.length === 0 ? undefined : this.#rng.pick(this.#known.slice(-30))
    const { status } = await this.#write(operation, userId, room, target) ?? { status: 0 }
    if (status >= 200 && status < 300) this.#report.operations[operation] = (this.#report.operations[operation] ?? 0) + 1
  }

  async #write (operation: Operation, userId: string, room: Room, target: Known | undefined): Promise<{ status: number } | undefined> {
    const rng = this.#rng
    if (operation === 'send') return await this.#send(userId, room, {})
    // The owner, as long as they have not left.
    const moderator = rng.chance(0.6) ? USERS[0]! : userId
    if (operation === 'settings') return await this.#call(moderator, 'PATCH', `/api/chat/conversations/${room.id}`, this.#settings(room))
    if (operation === 'profile') return await this.#call(userId, 'PATCH', '/api/chat/me', { displayName: `Name ${rng.integer(1, 9)}`, metadata: { n: rng.integer(1, 9) } })
    const path = `/api/chat/conversations/${this.#rooms[2]!.id}/participants`
    if (operation === 'join') return await this.#call(this.#rng.pick(USERS), 'POST', path, { participantIds: [rng.pick(USERS)] })
    if (operation === 'leave') return await this.#call(userId, 'DELETE', `${path}/${rng.chance(0.5) ? userId : rng.pick(USERS)}`)
    if (operation === 'role') return await this.#call(userId, 'PUT', `${path}/${rng.pick(USERS)}`, { role: rng.pick(['admin', 'member']) })
    if (operation === 'grow') return await this.#send(userId, room, { growing: true, ...(rng.chance(0.3) ? { text: '', mentions: [] } : {}) })
    const growing = this.#growing.length === 0 ? undefined : rng.pick(this.#growing)
    if (operation === 'append') return growing && await this.#append(growing)
    if (operation === 'finish') return growing && await this.#finish(growing)
    if (target === undefined) return undefined
    const message = `/api/chat/messages/${target.id}`
    if (operation === 'reply') return await this.#send(userId, target.room, { replyToId: target.id })
    if (operation === 'edit') return await this.#call(target.senderId, 'PATCH', message, this.#content())
    if (operation === 'metadata') return await this.#call(target.senderId, 'PATCH', message, { metadata: this.#metadata() })
    if (operation === 'moderate') return await this.#call(moderator, 'DELETE', message)
    if (operation === 'remove') return await this.#call(target.senderId, 'DELETE', message)
    if (operation === 'mark') {
      if (rng.chance(0.3)) return await this.#call(userId, 'PUT', `/api/chat/conversations/${target.room.id}/read`, { seq: rng.integer(0, this.#known.length) })
      return await this.#call(userId, 'PUT', `${message}/status`, { status: rng.pick(['delivered', 'read']) })
    }
    return await this.#call(userId, operation === 'react' ? 'PUT' : 'DELETE', `${message}/reactions/${encodeURIComponent(rng.pick(EMOJI))}`)
  }

  async #send (userId: string, room: Room, more: object): Promise<{ status: number }> {
    const body = { conversationId: room.id, clientId: `c${++this.#clientIds}`, ...this.#content(), metadata: this.#metadata(), ...more }
    const unanswered: [string, object] = [userId, body]
    this.#unanswered.push(unanswered)
    const answer = await this.#call(userId, 'POST', '/api/chat/messages', body)
    this.#unanswered.splice(this.#unanswered.indexOf(unanswered), 1)
    if (answer.status !== 201) return answer
    const known = { room, id: String(answer.body.id), senderId: userId }
    this.#known.push(known)
    if (answer.body.growing === true) this.#growing.push({ ...known, length: String(answer.body.text).length, since: performance.now() })
    return answer
  }

  async #append (message: Growing): Promise<{ status: number }> {
    const text = `${'🙂 more '.repeat(this.#rng.integer(1, 9))}${this.#rng.integer(0, 99)}`
    const { status, body } = await this.#call(message.senderId, 'POST', `/api/chat/messages/${message.id}/append`, { offset: message.length, text })
    // Others may have appended at the same moment.
    if (typeof body.length === 'number') message.length = body.length
    else if ([404, 409].includes(status)) this.#growing = this.#growing.filter(other => other !== message)
    return { status }
  }

  async #finish (message: Growing): Promise<{ status: number }> {
    this.#growing = this.#growing.filter(other => other !== message)
    const body = { ...(this.#rng.chance(0.2) ? this.#content() : {}), ...(this.#rng.chance(0.3) ? { metadata: this.#metadata() } : {}) }
    return await this.#call(message.senderId, 'POST', `/api/chat/messages/${message.id}/finish`, body)
  }

  #content (): object {
    const rng = this.#rng
    const text = `@${rng.pick(USERS)} ${'🙂 text '.repeat(rng.chance(0.1) ? 60 : 1)}${rng.integer(0, 99)}`
    const ranged = { userId: rng.pick(USERS), start: 0, length: 6 }
    return {
      text,
      ...(rng.chance(0.3)
        ? { mentions: rng.chance(0.5) ? [ranged] : [{ userId: rng.pick(USERS) }, { userId: rng.pick(USERS) }].slice(rng.integer(0, 2)) }
        : {}),
      ...(rng.chance(0.15) ? { mentionsAll: rng.chance(0.6) } : {})
    }
  }

  /** A direct conversation has metadata only. Slow for long, there would be little else to see; markers need fixed rooms unfrozen. */
  #settings ({ fixed }: Room): object {
    const rng = this.#rng
    if (rng.chance(0.3)) return { metadata: this.#metadata() }
    return {
      ...(rng.chance(0.5) ? { title: rng.pick([null, `Title ${rng.integer(1, 9)}`]) } : {}),
      ...(rng.chance(0.3) ? { avatar: rng.pick([null, 'https://example.com/a.png']) } : {}),
      ...(rng.chance(0.3) ? { description: rng.pick([null, '', 'Two\nlines']) } : {}),
      ...(rng.chance(0.5)
        ? { settings: { posting: !fixed && rng.chance(0.1) ? 'nobody' : rng.chance(0.2) ? 'admins' : 'everyone', slowModeSeconds: rng.chance(0.1) ? 1 : 0, mentionAll: rng.pick(['everyone', 'admins']) } }
        : {})
    }
  }

  #metadata (): unknown {
    return this.#rng.pick([null, {}, { n: this.#rng.integer(0, 9) }, { b: [1, { c: '\u2028' }], 2: 'two', 1: 'one' }])
  }

  // ---- snapshots

  async #membersOf (room: Room): Promise<string[]> {
    const answers = await Promise.all(USERS.map(async userId => (await this.#call(userId, 'GET', `/api/chat/conversations/${room.id}`)).status))
    return USERS.filter((_, index) => answers[index] === 200)
  }

  /** First the id, then all that there is. */
  async #takeSnapshot (): Promise<void> {
    if (this.#snapshots.length >= SNAPSHOTS_MAX) return
    const room = this.#rng.pick(this.#rooms)
    const all = room.fixed && this.#rng.chance(0.4)
    const members = await this.#membersOf(room)
    if (members.length === 0) return
    const userId = this.#rng.pick(members)
    try {
      const { id } = await this.#connected(userId, room, all)
      this.#snapshots.push({ room, lastEventId: id, all, state: await this.#fetch(userId, room) })
      this.#report.snapshots++
    } catch {
      // Killed meanwhile, or the user left.
    }
  }

  async #fetch (userId: string, { id }: Room): Promise<State> {
    const messages: OwnMessage[] = []
    for (let before = Number.MAX_SAFE_INTEGER, more = true; more;) {
      const page: MessagePage = await this.#get(userId, `/api/chat/conversations/${id}/messages?limit=37&before=${before}`)
      messages.unshift(...page.messages)
      before = messages[0]?.seq ?? 1
      more = page.hasMore
    }
    return stateOf(userId, messages, await this.#get<Conversation>(userId, `/api/chat/conversations/${id}`))
  }

  async #open (userId: string, room: Room, all: boolean, lastEventId?: string): Promise<EventReader> {
    const query = new URLSearchParams({ echo: 'true', ...(all ? {} : { conversationId: room.id }), ...(lastEventId === undefined ? {} : { lastEventId }) })
    return await connect(`http://127.0.0.1:${this.#port}/api/sse?${query.toString()}`, { authorization: `Bearer ${this.#tokens.get(userId)!}` })
  }

  async #connected (userId: string, room: Room, all: boolean): Promise<{ id: string, seq: number }> {
    const stream = await this.#open(userId, room, all)
    try {
      const { id } = await stream.next('connected')
      return { id: id!, seq: Number(id!.split('.').at(-1)) }
    } finally {
      await stream.close()
    }
  }

  /** The events of a conversation after an id, up to its newest. */
  async #eventsSince ({ room, state: { me }, lastEventId, all }: Snapshot): Promise<StreamEvent[]> {
    const { seq: newest } = await this.#connected(me, room, false)
    const stream = await this.#open(me, room, all, lastEventId)
    try {
      const first = await stream.next()
      if (first.type !== 'connected') throw new Error(`${first.type} ${JSON.stringify(first.data)}`)
      const isNew = all || Number(lastEventId.split('.').at(-1)) < newest
      const passed = all
        ? await this.#untilQuiet(stream, room, newest)
        : isNew ? await stream.until(({ data }) => data.eventSeq === newest, PATIENCE_MS) : []
      // What grows is told once the log is.
      const growing = new Set(await this.#database!.growing(room.id))
      const isTold = ({ type, data }: StreamEvent): boolean =>
        type === 'messageAppended' && growing.delete(String(data.messageId)) && growing.size === 0
      if (growing.size > 0 && !passed.some(isTold)) passed.push(...await stream.until(isTold, PATIENCE_MS))
      const other = passed.find(({ type }) => ['reset', 'disconnect'].includes(type))
      if (other !== undefined) throw new Error(`${other.type} ${JSON.stringify(other.data)}`)
      return passed.filter(({ type, data }) => (data.eventSeq !== undefined || type === 'messageAppended') && data.conversationId === room.id)
    } finally {
      await stream.close()
    }
  }

  /** A stream of all conversations may have nothing to tell of this one: a message of one's own elsewhere ends the waiting. */
  async #untilQuiet (stream: EventReader, { id }: Room, newest: number): Promise<StreamEvent[]> {
    const { body } = await this.#call(USERS[0]!, 'POST', '/api/chat/messages', { conversationId: id, text: 'marker' })
    if (body.id === undefined) throw new Error('there is no marker')
    const passed = await stream.until(({ type, data }) => type === 'message' && data.id === body.id, PATIENCE_MS)
    if (passed.at(-1)!.data.eventSeq !== newest + 1) throw new Error(`the marker came as event ${String(passed.at(-1)!.data.eventSeq)} after ${newest}`)
    return passed
  }

  async #bringUpToDate (snapshot: Snapshot): Promise<void> {
    const { room, state, lastEventId } = snapshot
    if (!(await this.#membersOf(room)).includes(state.me)) return
    const label = `${state.me} in ${room.id} from ${lastEventId}`
    const events = await this.#eventsSince(snapshot).catch((error: unknown) => { this.#problem(`${label}: ${String(error)}`) })
    if (events === undefined) return
    const fresh = await this.#fetch(state.me, room)
    const cameOrWent = events.some(({ type }) => ['participantJoined', 'participantLeft'].includes(type))
    const withMarks = room.fixed && !cameOrWent
    const once = fold(state, events)
    for (const [how, folded] of [['once', once], ['twice', fold(once, events)], ['over the newest', fold(fresh, events)]] as const) {
      const found = difference(folded, fresh, withMarks)
      if (found !== undefined) this.#problem(`${label}, ${how}: ${events.length} events\n    ${found}`)
    }
    this.#report.folds++
    this.#report.events += events.length
  }

  // ---- what is counted

  async #recount (room: Room): Promise<void> {
    for (const userId of await this.#membersOf(room)) {
      const { messages } = await this.#fetch(userId, room)
      const list = [...messages.values()]
      const { unreadCount, unreadMentionCount, participants, lastMessage } = await this.#get<Conversation>(userId, `/api/chat/conversations/${room.id}`)
      const { readSeq } = participants.find(participant => participant.userId === userId)!
      const theirs = list.filter(({ senderId, deletedAt }) => senderId !== userId && deletedAt === null)
      const unread = theirs.filter(({ seq }) => seq > readSeq)
      const mentioning = (found: OwnMessage[]): OwnMessage[] =>
        found.filter(({ mentions, mentionsAll }) => mentionsAll || mentions.some(mention => mention.userId === userId))
      this.#equal(`${userId} in ${room.id}: unreadCount`, unreadCount, unread.length)
      this.#equal(`${userId} in ${room.id}: unreadMentionCount`, unreadMentionCount, Math.min(mentioning(unread).length, 100))
      this.#equal(`${userId} in ${room.id}: lastMessage`, lastMessage, list.at(-1) ?? null)
      if (room.fixed) this.#equal(`${userId} in ${room.id}: mentions`, (await this.#mentionsOf(userId, room)).sort(), mentioning(theirs).map(({ id }) => id).sort())
      if (userId === USERS[0] || !room.fixed) await this.#compare(userId, list)
    }
    const [someone] = await this.#membersOf(room)
    if (someone !== undefined) this.#report.messages += (await this.#fetch(someone, room)).messages.size
  }

  /** Whether counts and quotes agree with what they are of. */
  async #compare (userId: string, list: OwnMessage[]): Promise<void> {
    const clientIds = list.flatMap(({ senderId, clientId }) => clientId === null ? [] : [`${senderId} ${clientId}`])
    this.#equal('each clientId once', new Set(clientIds).size, clientIds.length)
    this.#equal('seq', list.map(({ seq }) => seq), list.map((_, index) => index + 1))
    for (const { id, seq, status, replyCount, reactions, myReactions, deletedAt } of list) {
      this.#equal(`message ${seq}: replyCount`, replyCount, list.filter(({ replyTo, deletedAt }) => replyTo?.id === id && deletedAt === null).length)
      // Of some messages: it is one call for each.
      if (seq % 10 === 0) this.#equal(`message ${seq}: status`, status, await this.#lowestStatus(userId, id) ?? status)
      if (reactions.length === 0) continue
      const { reactions: rows } = await this.#get<ReactionPage>(userId, `/api/chat/messages/${id}/reactions?limit=100`)
      const counted = (emoji: string): number => rows.filter(row => row.emoji === emoji).length
      this.#equal(`message ${seq}: reactions`, reactions, deletedAt === null ? reactions.map(({ emoji }) => ({ emoji, count: counted(emoji) })) : [])
      this.#equal(`message ${seq}: all reactions are counted`, reactions.reduce((sum, { count }) => sum + count, 0), rows.length)
      this.#equal(`message ${seq}: myReactions`, [...myReactions].sort(), rows.filter(({ user }) => user.userId === userId).map(({ emoji }) => emoji).sort())
    }
    for (const { seq, replyTo } of list) {
      if (replyTo === null) continue
      const original = list[replyTo.seq - 1]!
      this.#equal(`message ${seq}: the quote`, [replyTo.text, replyTo.truncated, replyTo.deletedAt, replyTo.replyCount],
        [quoteOf(original).text, quoteOf(original).truncated, original.deletedAt, original.replyCount])
    }
  }

  /** The lowest status among those who were there and still are; undefined if nobody is. */
  async #lowestStatus (userId: string, messageId: string): Promise<string | undefined> {
    const { counts } = await this.#get<ReceiptPage>(userId, `/api/chat/messages/${messageId}/receipts?limit=1`)
    return counts.pending > 0 ? 'sent' : counts.delivered > 0 ? 'delivered' : counts.read > 0 ? 'read' : undefined
  }

  async #mentionsOf (userId: string, room: Room): Promise<string[]> {
    const ids: string[] = []
    for (let query = '?limit=13'; ;) {
      const { messages, nextCursor }: MentionPage = await this.#get(userId, `/api/chat/mentions${query}`)
      ids.push(...messages.filter(({ conversationId }) => conversationId === room.id).map(({ id }) => id))
      if (nextCursor === null) return ids
      query = `?limit=13&cursor=${nextCursor}`
    }
  }

  #equal (what: string, found: unknown, expected: unknown): void {
    if (!isDeepStrictEqual(found, expected)) this.#problem(`${what}: ${JSON.stringify(found)}, by the rules ${JSON.stringify(expected)}`)
  }
}
