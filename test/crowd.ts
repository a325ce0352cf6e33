import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { OwnMessage as Message } from '../schemas/messages.js'
import { Rng } from './chaos/rng.js'
import { connect, type EventReader, type StreamEvent } from './event-reader.js'
import { shared } from './helper.js'

/** How long everything may take to arrive after the last call, in milliseconds. */
const SETTLE_MS = 30_000

export interface CrowdOptions {
  origin: string
  tokenOf: (userId: string) => string
  users: number
  conversations: number
  /** When the users end: after this long, in milliseconds, or with this many calls of all. */
  ms?: number
  calls?: number
  seed: string | number
  /** The pause between two calls of one user, in milliseconds. */
  pauseMs?: number
  /** The most events after which a stream breaks. Default 150. */
  streakMax?: number
}

export interface CrowdReport {
  calls: number
  messages: number
  events: number
  reconnects: number
  /** Events that were lost, repeated, out of order or different from the log, one line for each. */
  problems: string[]
}

interface Room {
  id: string
  members: string[]
  /** The event id before the first message. */
  start: string
  messages: Message[]
}

/**
 * Many users in several conversations, who write, edit, mark and type at the same time over HTTP. Their streams, of one
 * conversation or of all, break and resume at random. Afterwards, the events of every subscriber are compared with the
 * log, and the log with the history.
 */
export async function runCrowd (options: CrowdOptions): Promise<CrowdReport> {
  const crowd = new Crowd(options)
  try {
    await crowd.gather()
    await crowd.live()
    return await crowd.compare()
  } finally {
    await crowd.leave()
  }
}

class Crowd {
  readonly #options: CrowdOptions
  readonly #rng: Rng
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })
  readonly #tokens: Map<string, string>
  readonly #rooms: Room[] = []
  readonly #followers: Follower[] = []
  readonly #problems: string[] = []
  #calls = 0

  constructor (options: CrowdOptions) {
    this.#options = options
    this.#rng = new Rng(options.seed)
    const ids = Array.from({ length: options.users }, (_, index) => `user${index}`)
    this.#tokens = new Map(ids.map(id => [id, options.tokenOf(id)]))
  }

  get #users (): string[] {
    return [...this.#tokens.keys()]
  }

  async gather (): Promise<void> {
    const { conversations } = this.#options
    await Promise.all(this.#users.map(async id => await this.#call(id, 'GET', '/api/chat/me')))
    for (let index = 0; index < conversations; index++) {
      // Everybody is in at least one conversation, and most are in several.
      const members = this.#users.filter((_, user) => user % conversations === index || this.#rng.chance(0.25))
      const [owner, ...others] = members as [string, ...string[]]
      const { id } = await this.#call<{ id: string }>(owner, 'POST', '/api/chat/conversations', { type: 'group', participantIds: others })
      const reader = await this.#open(owner, id)
      const { id: start } = await reader.next('connected')
      await reader.close()
      this.#rooms.push({ id, members, start: start!, messages: [] })
    }
    for (const room of this.#rooms) {
      for (const member of room.members.filter(() => this.#rng.chance(0.5))) this.#follow(member, room)
    }
    for (const member of this.#users) this.#follow(member)
    await Promise.all(this.#followers.map(async follower => { await follower.started }))
  }

  #follow (userId: string, room?: Room): void {
    this.#followers.push(new Follower(userId, room?.id, this.#rng.fork(`stream ${this.#followers.length}`), this.#options.streakMax ?? 150,
      async lastEventId => await this.#open(userId, room?.id, lastEventId)))
  }

  async #open (userId: string, conversationId?: string, lastEventId?: string, echo = false): Promise<EventReader> {
    const query = new URLSearchParams({ ...(conversationId === undefined ? {} : { conversationId }), ...(echo ? { echo: 'true' } : {}) })
    return await connect(`${this.#options.origin}/api/sse?${query.toString()}`, {
      authorization: `Bearer ${this.#tokens.get(userId)!}`, ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId })
    })
  }

  async live (): Promise<void> {
    const { ms = Infinity, calls = Infinity } = this.#options
    const until = performance.now() + ms
    const last = this.#calls + calls
    await Promise.all(this.#users.map(async userId => {
      const rng = this.#rng.fork(userId)
      const rooms = this.#rooms.filter(({ members }) => members.includes(userId))
      while (performance.now() < until && this.#calls < last) {
        await this.#act(userId, rng, rng.pick(rooms))
        const { pauseMs = 0 } = this.#options
        if (pauseMs > 0) await sleep(rng.exponential(pauseMs))
      }
    }))
    // A last message in each conversation, which all subscribers wait for.
    for (const room of this.#rooms) room.messages.push(await this.#send(room.members[0]!, room, 'the end'))
  }

  async #act (userId: string, rng: Rng, room: Room): Promise<void> {
    const { id, messages } = room
    const known = messages.length > 0 ? rng.pick(messages) : undefined
    const own = known?.senderId === userId
    switch (rng.weighted({ send: 50, read: 15, mark: 15, typing: 12, change: 8 })) {
      case 'send':
        messages.push(await this.#send(userId, room, `${userId} ${rng.next()} ${'x'.repeat(rng.integer(0, 300))}`))
        break
      case 'read':
        await this.#call(userId, 'PUT', `/api/chat/conversations/${id}/read`, { seq: messages.length })
        break
      case 'mark':
        if (known !== undefined && !own) await this.#call(userId, 'PUT', `/api/chat/messages/${known.id}/status`, { status: rng.pick(['delivered', 'read']) })
        break
      case 'typing':
        await this.#call(userId, 'POST', '/api/chat/typing', { conversationId: id, isTyping: rng.chance(0.7) })
        break
      case 'change':
        if (!own) return
        if (rng.chance(0.3)) await this.#call(userId, 'DELETE', `/api/chat/messages/${known.id}`)
        else await this.#call(userId, 'PATCH', `/api/chat/messages/${known.id}`, { text: `changed ${rng.next()}` }, [409])
    }
  }

  async #send (userId: string, { id }: Room, text: string): Promise<Message> {
    return await this.#call(userId, 'POST', '/api/chat/messages', { conversationId: id, text, clientId: `c${this.#calls}` })
  }

  async #call<Body> (userId: string, method: string, path: string, body?: object, allowed: number[] = []): Promise<Body> {
    this.#calls++
    const { status, text } = await send(this.#agent, `${this.#options.origin}${path}`, method, this.#tokens.get(userId)!, body)
    if (status >= 300 && !allowed.includes(status)) throw new Error(`${method} ${path}: ${status} ${text}`)
    return JSON.parse(text || 'null') as Body
  }

  async compare (): Promise<CrowdReport> {
    const logs = new Map<string, StreamEvent[]>()
    for (const room of this.#rooms) {
      const log = await this.#readLog(room)
      logs.set(room.id, log)
      await this.#compareHistory(room, log)
    }
    await Promise.all(this.#followers.map(async follower => {
      const expected = new Map([...logs].filter(([id]) => this.#covers(follower, id))
        // A stream does not send the user's own messages.
        .map(([id, log]) => [id, log.filter(({ type, data }) => !(type === 'message' && data.senderId === follower.userId))]))
      const heard = await follower.finish(new Map([...expected].map(([id, events]) => [id, Number(events.at(-1)?.data.eventSeq ?? 0)])))
      for (const [id, events] of expected) this.#compareEvents(follower, id, events, heard.get(id) ?? [])
    }))
    return {
      calls: this.#calls,
      messages: this.#rooms.reduce((sum, { messages }) => sum + messages.length, 0),
      events: this.#followers.reduce((sum, { count }) => sum + count, 0),
      reconnects: this.#followers.reduce((sum, { reconnects }) => sum + reconnects, 0),
      problems: this.#problems
    }
  }

  #covers ({ userId, conversationId }: Follower, roomId: string): boolean {
    return conversationId === undefined ? this.#rooms.find(({ id }) => id === roomId)!.members.includes(userId) : conversationId === roomId
  }

  /** The whole log of a conversation, as a stream replays it that begins before the first message. */
  async #readLog ({ id, members, start }: Room): Promise<StreamEvent[]> {
    const reader = await this.#open(members[0]!, id, start, true)
    const events = await reader.until(({ data }) => data.text === 'the end', SETTLE_MS)
    await reader.close()
    const log = events.filter(({ data }) => data.eventSeq !== undefined)
    log.forEach(({ data }, index) => { if (data.eventSeq !== index + 2) this.#problems.push(`log of ${id}: ${String(data.eventSeq)} in place ${index + 2}`) })
    return log
  }

  async #compareHistory ({ id, members, messages }: Room, log: StreamEvent[]): Promise<void> {
    const history: Message[] = []
    for (let hasMore = true; hasMore;) {
      const page = await this.#call<{ messages: Message[], hasMore: boolean }>(members[0]!, 'GET', `/api/chat/conversations/${id}/messages?after=${history.length}&limit=100`)
      history.push(...page.messages)
      hasMore = page.hasMore
    }
    const inLog = log.filter(({ type }) => type === 'message')
    if (history.length !== messages.length || inLog.length !== messages.length) {
      this.#problems.push(`${id}: ${messages.length} sent, ${history.length} in the history, ${inLog.length} in the log`)
    }
    history.forEach((message, index) => {
      if (message.seq !== index + 1) this.#problems.push(`history of ${id}: ${message.seq} in place ${index + 1}`)
      const { eventSeq: _, ...logged } = inLog[index]?.data ?? {}
      if (JSON.stringify(logged) !== JSON.stringify(shared(message))) this.#problems.push(`history of ${id}: message ${message.seq} is otherwise in the log`)
    })
    for (const { id: messageId, seq } of messages) if (history[seq - 1]?.id !== messageId) this.#problems.push(`${id}: message ${seq} was answered, and another one is there`)
  }

  #compareEvents ({ conversationId, name }: Follower, id: string, expected: StreamEvent[], heard: Heard[]): void {
    let index = 0
    const last = new Map<number, number>()
    for (const { connection, event: { type, data } } of heard) {
      const eventSeq = Number(data.eventSeq)
      if (eventSeq <= (last.get(connection) ?? 0)) this.#problems.push(`${name}: ${id} ${eventSeq} after ${last.get(connection)} on one connection`)
      last.set(connection, eventSeq)
      const next = expected[index]
      if (next !== undefined && eventSeq === next.data.eventSeq) {
        const same = type === next.type && (data.id ?? data.messageId) === (next.data.id ?? next.data.messageId)
        if (!same) this.#problems.push(`${name}: ${id} ${eventSeq} is ${type} here and ${next.type} in the log`)
        index++
      } else if (conversationId === undefined && eventSeq < Number(next?.data.eventSeq ?? Infinity)) {
        // A resumed stream of all conversations may repeat events.
        if (connection === 0) this.#problems.push(`${name}: ${id} ${eventSeq} twice`)
      } else {
        this.#problems.push(`${name}: ${id} ${eventSeq} where ${String(next?.data.eventSeq)} was to come`)
        return
      }
    }
    if (index < expected.length) this.#problems.push(`${name}: ${id} ends before ${String(expected[index]!.data.eventSeq)}`)
  }

  async leave (): Promise<void> {
    await Promise.all(this.#followers.map(async follower => { await follower.stop() }))
    this.#agent.destroy()
  }
}

interface Heard { connection: number, event: StreamEvent }

/** A subscriber whose stream breaks at random and resumes after the last event id. */
class Follower {
  readonly userId: string
  readonly conversationId: string | undefined
  reconnects = 0
  count = 0
  readonly started: Promise<void>
  readonly #rng: Rng
  readonly #streakMax: number
  readonly #connect: (lastEventId: string | undefined) => Promise<EventReader>
  readonly #heard = new Map<string, Heard[]>()
  readonly #running: Promise<void>
  #reader: EventReader | undefined
  #goals: Map<string, number> | undefined
  #stopped = false

  constructor (
    userId: string, conversationId: string | undefined, rng: Rng, streakMax: number,
    connect: (lastEventId: string | undefined) => Promise<EventReader>
  ) {
    this.userId = userId
    this.conversationId = conversationId
    this.#rng = rng
    this.#streakMax = streakMax
    this.#connect = connect
    let start: () => void
    this.started = new Promise(resolve => { start = resolve })
    this.#running = this.#run(() => { start() })
  }

  get name (): string {
    return `${this.userId} on ${this.conversationId ?? 'all'}`
  }

  /** All events, once they include these numbers. */
  async finish (goals: Map<string, number>): Promise<Map<string, Heard[]>> {
    this.#goals = goals
    const timer = setTimeout(() => { void this.stop() }, SETTLE_MS)
    // Wakes it up
    await this.#reader?.close()
    await this.#running
    clearTimeout(timer)
    return this.#heard
  }

  async stop (): Promise<void> {
    this.#stopped = true
    await this.#reader?.close()
    await this.#running
  }

  async #run (started: () => void): Promise<void> {
    let lastEventId: string | undefined
    for (let connection = 0; !this.#stopped && !this.#done; connection++) {
      const reader = this.#reader = await this.#connect(lastEventId)
      // Once it is to finish, it stays open until it has received everything.
      const streak = this.#goals === undefined ? this.#rng.integer(1, this.#streakMax) : Infinity
      try {
        for (let seen = 0; seen < streak && !this.#done; seen++) {
          const event = await reader.next()
          lastEventId = event.id ?? lastEventId
          if (event.type === 'connected') started()
          if (event.data.eventSeq === undefined) continue
          this.count++
          const { conversationId } = event.data as { conversationId: string }
          const list = this.#heard.get(conversationId) ?? []
          this.#heard.set(conversationId, list)
          list.push({ connection, event })
        }
      } catch {
        // The stream was closed, or nothing arrived for a long time: resume it.
      }
      if (!this.#done) this.reconnects++
      await reader.close()
    }
  }

  get #done (): boolean {
    if (this.#goals === undefined) return false
    return [...this.#goals].every(([id, goal]) => Number(this.#heard.get(id)?.at(-1)?.event.data.eventSeq ?? 0) >= goal)
  }
}

/** A call with a JSON body. */
export async function send (agent: Agent, url: string, method: string, token: string, body?: object): Promise<{ status: number, text: string }> {
  return await new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const outgoing = request(url, {
      agent,
      method,
      headers: { authorization: `Bearer ${token}`, ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': payload.length }) }
    }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('end', () => { resolve({ status: response.statusCode ?? 0, text }) }).on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end(payload)
  })
}
