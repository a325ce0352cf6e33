import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { callOnce, type Answer } from '../chaos/api.js'
import { openHarnessDatabase, withSchema, type HarnessDatabase } from '../chaos/database.js'
import { Rng } from '../chaos/rng.js'
import { ServerProcess } from '../chaos/server-process.js'
import { mint } from '../chaos/token.js'
import { multipart } from '../files/upload.js'
import { Follower } from './follower.js'
import { Model, type Conversation, type Event, type SentMessage } from './model.js'
import { answerTo, probes, unknownLike } from './probes.js'

export interface IsolationOptions {
  seed: string
  operations: number
  users?: number
  /** The number of processes on the same database. Operations and streams go to any of them. */
  nodes?: number
  /** Default: a SQLite file in a throw-away folder. On PostgreSQL, the run creates a schema of its own, and drops it. */
  databaseUrl?: string
  onProgress?: (text: string) => void
}

export interface IsolationReport {
  seed: string
  operations: Record<string, number>
  conversations: number
  /** The events of the log, and how many of them arrived on all streams together. */
  events: number
  received: number
  /** The `typing`, `onlineStatus` and `blocked` events that arrived. */
  heard: number
  streams: number
  /** Pairs of responses that were compared: about something foreign, and about nothing. */
  probes: number
  problems: string[]
}

/** After this many operations, the run waits for what is missing. */
const SETTLE_EVERY = 10
/** How long events may take, in milliseconds. */
const PATIENCE_MS = 15_000
const OPEN_STREAMS = 14
/** What grows is finished after this long without an append, in milliseconds. The servers do it after a minute. */
const SILENT_MS = 20_000
const INTERRUPTED_MS = 50_000

const OPERATIONS = {
  send: 22,
  attach: 4,
  mark: 8,
  edit: 4,
  remove: 3,
  grow: 10,
  stop: 2,
  createGroup: 3,
  createDirect: 2,
  join: 9,
  kick: 5,
  leave: 4,
  promote: 3,
  rename: 3,
  mute: 4,
  type: 4,
  hide: 2,
  block: 4,
  openStream: 9,
  closeStream: 5,
  resume: 7,
  resumeForeign: 3,
  probe: 10,
  readAll: 2
}
type Operation = keyof typeof OPERATIONS

/** Random operations, one after the other, against real processes. What each user sees is compared with what belongs to them. */
export async function runIsolation (options: IsolationOptions): Promise<IsolationReport> {
  const run = new Run(options)
  try {
    return await run.run()
  } finally {
    await run.dispose()
  }
}

type Data = Record<string, unknown>

/** Whether a message certainly grows. */
const mayGrow = ({ silentSince }: SentMessage): boolean => silentSince !== undefined && performance.now() - silentSince < INTERRUPTED_MS

/** Whether an event tells the end of what a message has grown to; from this place on, if there is one. */
const tells = ({ id, text }: SentMessage, from?: number) => (data: Data): boolean =>
  data.messageId === id && Number(data.offset) + String(data.text).length === text.length && (from === undefined || data.offset === from)

class Run {
  readonly #options: IsolationOptions
  readonly #rng: Rng
  readonly #model: Model
  readonly #folder = mkdtempSync(join(tmpdir(), 'isolation-'))
  readonly #databaseUrl: string
  readonly #servers: ServerProcess[] = []
  readonly #followers: Follower[] = []
  readonly #hidden = new Set<string>()
  readonly #problems: string[] = []
  readonly #counts: Record<string, number> = {}
  readonly #count = { texts: 0, probes: 0 }
  #database: HarnessDatabase | undefined
  #now = 'at the start'

  constructor (options: IsolationOptions) {
    this.#options = options
    this.#rng = new Rng(options.seed)
    this.#model = new Model(Array.from({ length: options.users ?? 7 }, (_, index) => `user${index}`))
    this.#databaseUrl = options.databaseUrl === undefined
      ? `file:${join(this.#folder, 'chat.db')}`
      : withSchema(options.databaseUrl, `isolation_${randomBytes(6).toString('hex')}`)
  }

  async run (): Promise<IsolationReport> {
    const { seed, operations, nodes = 1, onProgress } = this.#options
    for (let node = 0; node < nodes; node++) {
      const server = await ServerProcess.create({ DATABASE_URL: this.#databaseUrl, MAX_STREAMS_PER_USER: '1000', FILES_DIR: join(this.#folder, 'files') })
      this.#servers.push(server)
      await server.start()
    }
    this.#database = await openHarnessDatabase(this.#databaseUrl)
    for (const userId of this.#model.users) await this.#call(userId, 'GET', '/api/chat/me')

    for (let index = 0; index < operations; index++) {
      await this.#operate(this.#rng.weighted(OPERATIONS), index)
      if (index % SETTLE_EVERY === 0) {
        await this.#finishSilent()
        await this.#settle()
      }
      if (index % 500 === 499) onProgress?.(`${index + 1} operations, ${this.#problems.length} problems`)
      // One mistake causes others.
      if (this.#problems.length >= 20) break
    }
    await this.#settle()
    for (const userId of this.#model.users) await this.#readAll(userId)
    return {
      seed,
      operations: this.#counts,
      conversations: this.#model.conversations.size,
      events: this.#model.events.length,
      received: this.#followers.reduce((sum, { received }) => sum + received, 0),
      heard: this.#followers.reduce((sum, { heard }) => sum + heard, 0),
      streams: this.#followers.length,
      probes: this.#count.probes,
      problems: this.#problems
    }
  }

  async dispose (): Promise<void> {
    for (const follower of this.#followers) follower.close()
    await Promise.all(this.#servers.map(async server => { await server.dispose() }))
    await this.#database?.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  readonly #problem = (text: string): void => { this.#problems.push(`${this.#now}: ${text}`) }

  get #open (): Follower[] {
    return this.#followers.filter(({ open }) => open)
  }

  /** Processes on one SQLite file read its log once a second: they miss ephemeral events, and short memberships. */
  get #tellsLate (): boolean {
    return this.#servers.length > 1 && this.#databaseUrl.startsWith('file:')
  }

  get #port (): number {
    return this.#rng.pick(this.#servers).port
  }

  async #call (userId: string, method: string, path: string, body?: unknown): Promise<Answer> {
    return await callOnce(this.#port, method, path, { token: mint(userId), body })
  }

  /** A call that must be answered in this way. Otherwise it is undefined, and a problem. */
  async #expect (status: number, userId: string, method: string, path: string, body?: unknown): Promise<Answer | undefined> {
    const answer = await this.#call(userId, method, path, body)
    if (answer.status === status) return answer
    this.#problem(`${userId}: ${method} ${path} ${JSON.stringify(body) ?? ''} has to be ${status} and is ${answer.status} ${JSON.stringify(answer.body)}`)
    return undefined
  }

  // ---- one operation and its consequences

  async #operate (operation: Operation, index: number): Promise<void> {
    const userId = this.#rng.pick(this.#model.users)
    this.#now = `operation ${index}, ${operation} by ${userId}`
    this.#counts[operation] = (this.#counts[operation] ?? 0) + 1
    await this.#do(operation, userId)
    await this.#absorb().catch((error: unknown) => { this.#problem((error as Error).message) })
    this.#model.changing.clear()
  }

  /** Reads what was written, and judges what arrived. */
  async #absorb (): Promise<void> {
    const rows = await this.#database!.logAfter(this.#model.events.at(-1)?.position ?? 0)
    const events = this.#model.absorb(rows)
    for (const follower of this.#followers) {
      for (const event of events) follower.owe(event)
      if (this.#tellsLate) for (const { type, userId, conversationId } of events) if (type === 'participantLeft' && userId === follower.options.userId && follower.options.conversationId === null) follower.letGo(conversationId)
      follower.judge()
    }
  }

  /** Waits until everybody has received everything that is theirs. */
  async #settle (): Promise<void> {
    for (const follower of this.#followers) {
      for (const deadline = performance.now() + PATIENCE_MS; !follower.content && performance.now() < deadline;) {
        await follower.until(() => false, 5)
        follower.judge()
      }
      if (follower.content) continue
      const { userId, conversationId, from } = follower.options
      this.#problem(`${userId} on ${conversationId ?? 'all'}${from === undefined ? '' : `, resumed from ${from.id},`} misses ${follower.missing}`)
      follower.close()
    }
  }

  async #do (operation: Operation, userId: string): Promise<void> {
    switch (operation) {
      case 'createGroup': return await this.#createGroup(userId)
      case 'createDirect': return await this.#createDirect(userId)
      case 'openStream': return await this.#openStream(userId)
      case 'closeStream': return await this.#closeStream()
      case 'resume': return await this.#resume()
      case 'resumeForeign': return await this.#resumeForeign(userId)
      case 'probe': return await this.#probe(userId)
      case 'readAll': return await this.#readAll(userId)
      case 'hide': return await this.#hide(userId)
      case 'block': return await this.#block(userId)
    }
    const own = this.#model.of(userId)
    if (own.length === 0) return
    const conversation = this.#rng.pick(own)
    switch (operation) {
      case 'send': return await this.#send(conversation, userId)
      case 'attach': return await this.#attach(conversation, userId)
      case 'grow': return await this.#grow(conversation, userId)
      case 'stop': return await this.#stop(conversation, userId)
      case 'mark': return await this.#mark(conversation, userId)
      case 'edit': return await this.#change(conversation, userId, 'PATCH')
      case 'remove': return await this.#change(conversation, userId, 'DELETE')
      case 'type': return await this.#type(conversation, userId)
      case 'join': return await this.#join(conversation, userId)
      case 'kick': return await this.#kick(conversation, userId)
      case 'leave': return await this.#leave(conversation, userId)
      case 'promote': return await this.#promote(conversation, userId)
      case 'rename': return await this.#rename(conversation, userId)
      case 'mute': return await this.#mute(conversation, userId)
    }
  }

  // ---- memberships

  async #createGroup (userId: string): Promise<void> {
    const others = this.#model.users.filter(other => other !== userId && this.#rng.chance(0.4))
    const status = this.#isBlockedBy(userId, others) ? 422 : 201
    const answer = await this.#expect(status, userId, 'POST', '/api/chat/conversations', { type: 'group', title: `by ${userId}`, participantIds: others })
    if (answer?.status === 201) this.#model.add(String(answer.body.id), 'group', userId, others)
  }

  async #createDirect (userId: string): Promise<void> {
    const other = this.#rng.pick(this.#model.users.filter(other => other !== userId))
    const known = this.#model.of(userId).find(({ type, members }) => type === 'direct' && members.has(other))
    const status = known !== undefined ? 200 : this.#model.blocks(userId, other) || this.#model.blocks(other, userId) ? 403 : 201
    const answer = await this.#expect(status, userId, 'POST', '/api/chat/conversations', { type: 'direct', userId: other })
    if (answer === undefined || status === 403) return
    if (known === undefined) this.#model.add(String(answer.body.id), 'direct', userId, [other])
    else if (known.id !== answer.body.id) this.#problem(`${known.id} is ${String(answer.body.id)} now`)
  }

  async #join (conversation: Conversation, userId: string): Promise<void> {
    const { id, type, members } = conversation
    const others = this.#model.users.filter(other => !members.has(other))
    if (others.length === 0) return
    // Users who join at the same moment are in the order of their ids.
    const joining = [...new Set([this.#rng.pick(others), this.#rng.pick(others)])].sort()
    const isAllowed = members.get(userId) !== 'member'
    const status = type === 'direct' ? 409 : !isAllowed ? 403 : this.#isBlockedBy(userId, joining) ? 422 : 200
    const answer = await this.#expect(status, userId, 'POST', `/api/chat/conversations/${encodeURIComponent(id)}/participants`, { participantIds: joining })
    if (answer?.status === 200) for (const other of joining) this.#model.join(conversation, other)
  }

  async #kick (conversation: Conversation, userId: string): Promise<void> {
    const { id, type, members } = conversation
    const others = [...members.keys()].filter(other => other !== userId)
    if (others.length === 0) return
    const other = this.#rng.pick(others)
    const isAllowed = members.get(userId) !== 'member' && members.get(other) !== 'owner'
    const status = type === 'direct' ? 409 : isAllowed ? 204 : 403
    const answer = await this.#expect(status, userId, 'DELETE', `/api/chat/conversations/${encodeURIComponent(id)}/participants/${other}`)
    if (answer?.status === 204) this.#model.leave(conversation, other)
  }

  async #leave (conversation: Conversation, userId: string): Promise<void> {
    const { id, type, members } = conversation
    if (members.size === 1) return
    const answer = await this.#expect(type === 'direct' ? 409 : 204, userId, 'DELETE', `/api/chat/conversations/${encodeURIComponent(id)}/participants/${userId}`)
    if (answer?.status === 204) this.#model.leave(conversation, userId)
  }

  async #promote (conversation: Conversation, userId: string): Promise<void> {
    const { id, type, members } = conversation
    const others = [...members.keys()].filter(other => other !== userId)
    if (others.length === 0) return
    const other = this.#rng.pick(others)
    const role = this.#rng.pick(['admin', 'member'] as const)
    const answer = await this.#expect(type === 'direct' ? 409 : members.get(userId) === 'owner' ? 200 : 403, userId, 'PUT', `/api/chat/conversations/${encodeURIComponent(id)}/participants/${other}`, { role })
    if (answer?.status === 200) members.set(other, role)
  }

  async #rename ({ id, type, members }: Conversation, userId: string): Promise<void> {
    const status = type === 'direct' ? 409 : members.get(userId) === 'member' ? 403 : 200
    await this.#expect(status, userId, 'PATCH', `/api/chat/conversations/${encodeURIComponent(id)}`, { title: `${userId} calls it ${++this.#count.texts}` })
  }

  // ---- messages

  async #send (conversation: Conversation, userId: string): Promise<void> {
    const text = `${userId} says ${++this.#count.texts}`
    const status = this.#model.isBlocked(conversation) ? 403 : 201
    const answer = await this.#expect(status, userId, 'POST', '/api/chat/messages', { conversationId: conversation.id, text })
    if (answer?.status === 201) conversation.messages.push({ id: String(answer.body.id), senderId: userId, text })
  }

  /** Uploads a file, and sends it unless it stays free. It is read by those who take part in the conversation, and by nobody else. */
  async #attach (conversation: Conversation, userId: string): Promise<void> {
    const text = `${userId} attaches ${++this.#count.texts}`
    const { payload, headers } = multipart([{ name: 'x.txt', bytes: text }])
    const uploaded = await fetch(`http://127.0.0.1:${this.#port}/api/chat/files`, {
      method: 'POST', headers: { ...headers, authorization: `Bearer ${mint(userId)}` }, body: payload
    })
    if (uploaded.status !== 201) return this.#problem(`${userId}: an upload is answered ${uploaded.status}`)
    const { fileId } = await uploaded.json() as { fileId: string }
    if (this.#rng.chance(0.3)) {
      this.#model.files.set(fileId, { ownerId: userId })
      return
    }
    const status = this.#model.isBlocked(conversation) ? 403 : 201
    const answer = await this.#expect(status, userId, 'POST', '/api/chat/messages', { conversationId: conversation.id, text, attachments: [{ fileId }] })
    if (answer?.status !== 201) return
    const message = { id: String(answer.body.id), senderId: userId, text }
    conversation.messages.push(message)
    this.#model.files.set(fileId, { ownerId: userId, conversation, message })
    const reader = this.#rng.pick(this.#model.users)
    const read = await this.#call(reader, 'GET', `/api/chat/files/${fileId}`)
    if (read.status !== (conversation.members.has(reader) ? 200 : 404)) this.#problem(`${reader}: the file ${fileId} is answered ${read.status}`)
  }

  /** Starts a message that grows, or appends to one that does, or finishes it. */
  async #grow (conversation: Conversation, userId: string): Promise<void> {
    const { id, messages } = conversation
    const isBlocked = this.#model.isBlocked(conversation)
    const message = messages.find(({ senderId, silentSince }) => senderId === userId && silentSince !== undefined)
    if (message === undefined) {
      const text = `${userId} grows ${++this.#count.texts}`
      const answer = await this.#expect(isBlocked ? 403 : 201, userId, 'POST', '/api/chat/messages', { conversationId: id, text, growing: true })
      if (answer?.status === 201) messages.push({ id: String(answer.body.id), senderId: userId, text, silentSince: performance.now() })
      return
    }
    if (!mayGrow(message)) return
    if (this.#rng.chance(0.2)) return await this.#finish(message, isBlocked ? 403 : 200)
    const text = ` and ${++this.#count.texts}`
    const answer = await this.#expect(isBlocked ? 403 : 200, userId, 'POST', `/api/chat/messages/${message.id}/append`, { offset: message.text.length, text })
    if (answer?.status !== 200) return
    message.text += text
    message.silentSince = performance.now()
    const listening = this.#covering(conversation).filter(({ options }) => options.echo || options.userId !== userId)
    await this.#allHear(listening, 'messageAppended', tells(message))
  }

  async #finish (message: SentMessage, status: number): Promise<void> {
    const answer = await this.#expect(status, message.senderId, 'POST', `/api/chat/messages/${message.id}/finish`)
    if (answer?.status === 200) message.silentSince = undefined
  }

  /** Before the servers do. */
  async #finishSilent (): Promise<void> {
    for (const conversation of this.#model.conversations.values()) {
      for (const message of conversation.messages) {
        const { silentSince = Infinity, senderId } = message
        if (performance.now() - silentSince < SILENT_MS || !mayGrow(message) || !conversation.members.has(senderId)) continue
        await this.#finish(message, this.#model.isBlocked(conversation) ? 403 : 200)
      }
    }
    await this.#absorb()
  }

  /** Tells a sender to stop. */
  async #stop (conversation: Conversation, userId: string): Promise<void> {
    const { id, members, messages } = conversation
    const message = messages.find(mayGrow)
    if (message === undefined) return
    const status = this.#model.isBlocked(conversation) ? 403 : 200
    await this.#expect(status, userId, 'POST', `/api/chat/messages/${message.id}/stop`)
    if (status === 403 || !members.has(message.senderId)) return
    await this.#allHear(this.#covering(conversation).filter(({ options }) => options.userId === message.senderId), 'messageStop',
      data => data.messageId === message.id && data.userId === userId && data.conversationId === id)
  }

  /** The open streams of participants on which events of a conversation come. */
  #covering ({ id, members }: Conversation): Follower[] {
    return this.#open.filter(({ options }) => members.has(options.userId) && (options.conversationId === null || options.conversationId === id))
  }

  async #mark ({ id, messages }: Conversation, userId: string): Promise<void> {
    const others = messages.filter(({ senderId }) => senderId !== userId).slice(-5)
    if (others.length === 0) return
    if (this.#rng.chance(0.3)) await this.#expect(200, userId, 'PUT', `/api/chat/conversations/${encodeURIComponent(id)}/read`, { seq: messages.length })
    else await this.#expect(200, userId, 'PUT', `/api/chat/messages/${this.#rng.pick(others).id}/status`, { status: this.#rng.pick(['delivered', 'read']) })
  }

  async #change (conversation: Conversation, userId: string, method: 'PATCH' | 'DELETE'): Promise<void> {
    const { type, members, messages } = conversation
    if (messages.length === 0) return
    const message = this.#rng.pick(messages)
    const { silentSince } = message
    // The servers may have finished it.
    if (silentSince !== undefined && !mayGrow(message)) return
    const role = members.get(userId)
    const moderates = method === 'DELETE' && type === 'group' && (role === 'owner' || (role === 'admin' && members.get(message.senderId) !== 'owner'))
    const text = method === 'PATCH' ? `${userId} corrects ${++this.#count.texts}` : ''
    const isRefused = (message.senderId !== userId && !moderates) || (method === 'PATCH' && this.#model.isBlocked(conversation))
    const status = isRefused ? 403 : method === 'PATCH' && (message.text === '' || silentSince !== undefined) ? 409 : 200
    const answer = await this.#expect(status, userId, method, `/api/chat/messages/${message.id}`, method === 'PATCH' ? { text } : undefined)
    if (answer?.status !== 200) return
    message.text = text
    message.silentSince = undefined
  }

  // ---- ephemeral events

  /** Participants are told that a user types, and that the user has stopped. */
  async #type (conversation: Conversation, userId: string): Promise<void> {
    const { id } = conversation
    if (this.#model.isBlocked(conversation)) {
      await this.#expect(403, userId, 'POST', '/api/chat/typing', { conversationId: id, isTyping: true })
      return
    }
    const listening = this.#covering(conversation).filter(({ options }) => options.echo || options.userId !== userId)
    for (const isTyping of [true, false]) {
      await this.#expect(200, userId, 'POST', '/api/chat/typing', { conversationId: id, isTyping })
      await this.#allHear(listening, 'typing', { conversationId: id, userId, isTyping })
    }
  }

  /** What a user sets for themselves is told to nobody else, and on no stream of another conversation. */
  async #mute ({ id }: Conversation, userId: string): Promise<void> {
    const mutedUntil = new Date(Date.UTC(2126, 0) + ++this.#count.texts).toISOString()
    this.#model.ownStates.set(mutedUntil, userId)
    await this.#expect(200, userId, 'PATCH', `/api/chat/conversations/${encodeURIComponent(id)}/me`, { mutedUntil })
    const listening = this.#open.filter(({ options }) =>
      options.userId === userId && (options.conversationId === null || options.conversationId === id))
    await this.#allHear(listening, 'conversationState', { conversationId: id, mutedUntil })
  }

  /** Hides or shows a user who has an open stream. Everybody who shares a conversation with the user is told of the change. */
  async #hide (userId: string): Promise<void> {
    if (!this.#open.some(({ options }) => options.userId === userId)) return
    const isOnline = this.#hidden.has(userId)
    await this.#expect(200, userId, 'PUT', '/api/chat/status/online', { isOnline })
    if (isOnline) this.#hidden.delete(userId)
    else this.#hidden.add(userId)
    await this.#allHear(this.#watching(userId).filter(({ options }) => !this.#model.blocks(userId, options.userId)), 'onlineStatus', { userId, isOnline })
  }

  /** The open streams that follow a conversation of a user. */
  #watching (userId: string): Follower[] {
    return this.#open.filter(({ options }) => options.userId !== userId &&
      (options.conversationId === null ? this.#model.mayShare(options.userId, userId) : this.#model.isMember(options.conversationId, userId)))
  }

  /** Whether one of these users blocks the one who adds them to a group. */
  #isBlockedBy (userId: string, others: readonly string[]): boolean {
    return others.some(other => this.#model.blocks(other, userId))
  }

  /** Blocks a user, or no longer does. The other one hears that the user is offline, and then nothing more. */
  async #block (userId: string): Promise<void> {
    const blocked = this.#model.users.filter(other => this.#model.blocks(userId, other))
    const isNew = blocked.length === 0 || this.#rng.chance(0.5)
    const other = this.#rng.pick(isNew ? this.#model.users.filter(other => other !== userId && !blocked.includes(other)) : blocked)
    await this.#expect(200, userId, isNew ? 'PUT' : 'DELETE', `/api/chat/blocks/${other}`)
    this.#model.block(userId, other, isNew)
    await this.#allHear(this.#open.filter(({ options }) => options.userId === userId), 'blocked', { userId: other, blocked: isNew })
    const isShown = !this.#hidden.has(userId) && this.#open.some(({ options }) => options.userId === userId)
    if (!isNew || !isShown) return
    await this.#allHear(this.#watching(userId).filter(({ options }) => options.userId === other), 'onlineStatus', { userId, isOnline: false, lastSeen: null })
  }

  async #allHear (listening: readonly Follower[], type: string, fits: Data | ((data: Data) => boolean)): Promise<void> {
    const isIt = typeof fits === 'function' ? fits : (data: Data) => Object.entries(fits).every(([field, value]) => data[field] === value)
    for (const follower of listening) {
      if (!this.#tellsLate && !await follower.hears(type, isIt)) this.#problem(`${follower.options.userId} on ${follower.options.conversationId ?? 'all'} does not hear ${type} ${typeof fits === 'function' ? '' : JSON.stringify(fits)}`)
      follower.forget()
    }
  }

  // ---- streams

  async #follow (options: Omit<Follower['options'], 'port'>): Promise<void> {
    const follower = new Follower({ ...options, port: this.#port }, this.#model, this.#problem)
    const status = await follower.connect()
    const isTheirs = options.conversationId === null || this.#model.isMember(options.conversationId, options.userId)
    if (status !== (isTheirs ? 200 : 404)) this.#problem(`${options.userId}: a stream of ${options.conversationId ?? 'all'} is answered ${status}`)
    if (status !== 200) return
    this.#followers.push(follower)
    const { userId, echo } = options
    for (const conversation of this.#model.of(userId)) {
      if (!this.#covering(conversation).includes(follower)) continue
      for (const message of conversation.messages) {
        if (mayGrow(message) && (echo || message.senderId !== userId)) await this.#allHear([follower], 'messageAppended', tells(message, 0))
      }
    }
  }

  async #openStream (userId: string): Promise<void> {
    if (this.#open.length >= OPEN_STREAMS) await this.#closeStream()
    const own = this.#model.of(userId)
    const conversationId = this.#rng.chance(0.5) || own.length === 0 ? null : this.#rng.pick(own).id
    await this.#follow({ userId, conversationId, echo: this.#rng.chance(0.2) })
  }

  async #closeStream (): Promise<void> {
    const open = this.#open
    if (open.length > 0) this.#rng.pick(open).close()
  }

  /** Resumes with an event id that the user has received: the last one, or an older one. */
  async #resume (): Promise<void> {
    const left = this.#followers.filter(({ open, ids }) => !open && ids.length > 0).slice(-40)
    if (left.length === 0) return
    if (this.#open.length >= OPEN_STREAMS) await this.#closeStream()
    const before = this.#rng.pick(left)
    const { userId, conversationId, echo } = before.options
    const { id, missing } = this.#rng.chance(0.6) ? before.ids.at(-1)! : this.#rng.pick(before.ids)
    const since = this.#model.events.slice(Math.min(before.closedAt, this.#model.events.length))
    const missed = [...new Set([...missing, ...since])].filter(event => conversationId !== null || this.#isOfThisStay(event, userId))
    await this.#follow({ userId, conversationId, echo, from: { id, missed, own: true } })
  }

  /** Whether the user is in the conversation, and has not left it since. */
  #isOfThisStay (event: Event, userId: string): boolean {
    return this.#model.isMember(event.conversationId, userId) && !this.#model.events.some(({ conversationId, seq, type, userId: who }) =>
      conversationId === event.conversationId && seq > event.seq && type === 'participantLeft' && who === userId)
  }

  /** Resumes with an event id that another user has received, or that belongs to another conversation. */
  async #resumeForeign (userId: string): Promise<void> {
    const others = this.#followers.filter(({ ids, options }) => ids.length > 0 && options.userId !== userId)
    if (others.length === 0) return
    if (this.#open.length >= OPEN_STREAMS) await this.#closeStream()
    const other = this.#rng.pick(others)
    const own = this.#model.of(userId)
    const conversationId = this.#rng.chance(0.4) || own.length === 0
      ? null
      : this.#rng.chance(0.3) ? other.options.conversationId : this.#rng.pick(own).id
    await this.#follow({ userId, conversationId, echo: false, from: { id: this.#rng.pick(other.ids).id, missed: [], own: false } })
  }

  // ---- reads

  /** A foreign conversation is answered like one that does not exist. */
  async #probe (userId: string): Promise<void> {
    const own = this.#model.of(userId).find(({ type }) => type === 'group')
    const foreign = this.#model.notOf(userId)
    const ids = {
      conversation: foreign.map(({ id }) => id),
      message: foreign.flatMap(({ messages }) => messages.map(({ id }) => id)),
      file: [...this.#model.files].flatMap(([id, { ownerId, conversation, message }]) =>
        ownerId !== userId && (conversation?.members.has(userId) !== true || message?.text === '') ? [id] : []),
      stream: this.#open.filter(({ options }) => options.userId !== userId).flatMap(({ streamId }) => streamId ?? [])
    }
    const possible = probes(this.#rng.pick(this.#model.users), own?.id).filter(({ about }) => ids[about].length > 0)
    if (possible.length === 0) return
    const probe = this.#rng.pick(possible)
    const id = this.#rng.pick(ids[probe.about])
    const unknown = unknownLike(id, other => this.#model.conversations.has(other) || this.#model.files.has(other))
    const port = this.#port
    const [theirs, nothing] = [await answerTo(probe, id, userId, port), await answerTo(probe, unknown, userId, port)]
    this.#count.probes++
    if (theirs.status !== (probe.status ?? 404)) this.#problem(`${probe.method} ${probe.path(id)} is answered ${theirs.status} ${theirs.body}`)
    const [a, b] = [theirs, nothing].map(answer => JSON.stringify(answer).replaceAll(id, '<id>').replaceAll(unknown, '<id>'))
    if (a !== b) this.#problem(`${probe.method} ${probe.path(id)} is answered ${a}, and ${probe.path(unknown)} ${b}`)
  }

  /** Everything that belongs to the user is there, and nothing else. */
  async #readAll (userId: string): Promise<void> {
    const own = this.#model.of(userId)
    const listed: string[] = []
    for (let cursor: unknown = ''; cursor !== null;) {
      const page = await this.#expect(200, userId, 'GET', `/api/chat/conversations?limit=5${cursor === '' ? '' : `&cursor=${encodeURIComponent(String(cursor))}`}`)
      if (page === undefined) return
      for (const conversation of page.body.conversations as Array<Record<string, unknown>>) {
        listed.push(String(conversation.id))
        this.#compareMembers(userId, conversation)
      }
      cursor = page.body.nextCursor
    }
    const [got, due] = [listed, own.map(({ id }) => id)].map(ids => ids.toSorted().join(', '))
    if (got !== due) this.#problem(`${userId} has the conversations ${due}, and the list says ${got}`)
    for (const { id, messages } of own) {
      const path = `/api/chat/conversations/${encodeURIComponent(id)}`
      const conversation = await this.#expect(200, userId, 'GET', path)
      if (conversation !== undefined) this.#compareMembers(userId, conversation.body)
      const history: Array<{ id: string, text: string }> = []
      for (let hasMore = true; hasMore;) {
        const page = await this.#expect(200, userId, 'GET', `${path}/messages?limit=100&after=${history.length}`)
        if (page === undefined) return
        history.push(...page.body.messages as typeof history)
        hasMore = page.body.hasMore === true
      }
      const [got, due] = [history, messages].map(list => list.map(({ id, text }) => `${id} ${text}`).join('\n'))
      if (got !== due) this.#problem(`${userId}: the history of ${id} has ${history.length} messages, and ${messages.length} were sent, or they differ`)
    }
  }

  #compareMembers (userId: string, { id, participants }: Record<string, unknown>): void {
    for (const { userId: other, isOnline, lastSeen } of participants as Array<{ userId: string, isOnline: boolean, lastSeen: string | null }>) {
      if (this.#model.blocks(other, userId) && (isOnline || lastSeen !== null)) this.#problem(`${userId} sees when ${other} was online, who blocks them`)
    }
    const got = (participants as Array<{ userId: string, role: string }>).map(({ userId, role }) => `${userId} ${role}`).sort().join(', ')
    const conversation = this.#model.conversations.get(String(id))
    const due = [...conversation?.members ?? []].map(([userId, role]) => `${userId} ${role}`).sort().join(', ')
    if (got !== due) this.#problem(`${userId} is told that ${got} are in ${String(id)}; it is ${due}`)
  }
}
