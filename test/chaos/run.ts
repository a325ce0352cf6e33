import { randomBytes } from 'node:crypto'
import { once, setMaxListeners } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Actor } from './actor.js'
import { ShiftedClock } from '../clock/shifted-clock-file.js'
import { Api, callOnce } from './api.js'
import { CommitWatch } from './commit-watch.js'
import { openHarnessDatabase, withSchema, type HarnessDatabase, type LogRow } from './database.js'
import { Faults, schedule, type Levers, type Rates } from './faults.js'
import { Gate } from './gate.js'
import { Model } from './model.js'
import { Oracle } from './oracle.js'
import { OwnDatabase } from './own-database.js'
import { Proxy, type ProxyCounters, type ProxyFaults } from './proxy.js'
import type { Report } from './report.js'
import { Rng } from './rng.js'
import { ServerProcess } from './server-process.js'
import { SmallDisk } from './small-disk.js'
import { Subscriber } from './subscriber.js'
import { SseParser } from './sse-parser.js'
import { mint } from './token.js'

export interface ChaosOptions {
  seed: string
  minutes: number
  /** Default: a SQLite file in a throw-away folder. */
  databaseUrl?: string
  redisUrl?: string
  nodes?: number
  users?: number
  /** The mean pause between two actions of a user, in milliseconds. */
  pauseMs?: number
  rates?: Partial<Rates>
  proxy?: Partial<ProxyFaults>
  onProgress?: (text: string) => void
}

const RATES: Rates = {
  killsPerMinute: 8,
  terminationsPerMinute: 1,
  pausesPerMinute: 1.5,
  locksPerMinute: 5,
  databaseAwaysPerMinute: 0,
  busAwaysPerMinute: 0,
  readOnlysPerMinute: 0,
  refusalsPerMinute: 0,
  filesAwayPerMinute: 0,
  fullDisksPerMinute: 0,
  clockJumpsPerMinute: 4
}
/** Whether the database, or the bus, is on other machines. */
const POSTGRES_RATES = { databaseAwaysPerMinute: 1, readOnlysPerMinute: 1, refusalsPerMinute: 1 }
const REDIS_RATES = { busAwaysPerMinute: 1 }
/** Whether one process has a file. */
const SQLITE_RATES = { filesAwayPerMinute: 1 }
const DISK_MIB = 64
/** Events that move a conversation to the top of the list. */
const ACTIVITY = new Set(['conversationCreated', 'message', 'participantJoined', 'participantLeft'])
const PROXY: ProxyFaults = { cutEveryMs: 3000, delays: 0.05, stalls: 0.004, splits: 0.2 }
/** Typing lapses after six seconds, and a busy machine may take longer, in milliseconds. */
const LAPSE_MS = 12_000
/** How long everybody may take to catch up after the last fault, in milliseconds. */
const SETTLE_MS = 30_000
/** File descriptors that come and go by themselves. */
const SPARE_DESCRIPTORS = 4
/** The pool of a node, and the connection that listens. */
const POSTGRES_SOCKETS = 11
const REDIS_SOCKETS = 2

/** The resources that the processes hold. */
interface Measure { memoryMiB: number, descriptors: number, timers: number, fellBehind: number, gaps: number }

/** One run: a world of servers, proxies, users and subscribers, its faults, and the verdict. */
export async function runChaos (options: ChaosOptions): Promise<Report> {
  const world = new World(options)
  try {
    return await world.run()
  } finally {
    await world.dispose()
  }
}

class World {
  readonly #options: ChaosOptions
  readonly #rng: Rng
  readonly #nodeCount: number
  readonly #folder = mkdtempSync(join(tmpdir(), 'chaos-'))
  readonly #rates: Rates
  readonly #model: Model
  readonly #problems: string[] = []
  readonly #servers: ServerProcess[] = []
  readonly #proxies: Proxy[] = []
  readonly #subscribers: Subscriber[] = []
  readonly #actors: Actor[] = []
  readonly #running: Array<Promise<void>> = []
  readonly #userIds: string[]
  readonly #api: Api
  /** Aborted when the users and newcomers have done enough. */
  readonly #stopActing = new AbortController()
  readonly #levers: Levers = { database: undefined, bus: undefined, ownDatabase: undefined, file: undefined, disk: undefined, clocks: [] }
  #database: HarnessDatabase | undefined
  #commits: CommitWatch | undefined

  constructor (options: ChaosOptions) {
    this.#options = options
    this.#rng = new Rng(options.seed)
    this.#nodeCount = options.nodes ?? 1
    this.#model = new Model(this.#nodeCount)
    this.#rates = {
      ...RATES,
      ...(options.databaseUrl !== undefined ? POSTGRES_RATES : this.#nodeCount === 1 ? SQLITE_RATES : {}),
      ...(options.redisUrl === undefined ? {} : REDIS_RATES),
      ...options.rates
    }
    this.#userIds = Array.from({ length: options.users ?? 8 }, (_, index) => `user${index}`)
    const hops = this.#rng.fork('hops of callers')
    this.#api = new Api(() => {
      const proxy = hops.pick(this.#proxies)
      const server = this.#servers[this.#proxies.indexOf(proxy)]
      return { port: proxy.port, wasStoppedSince: instant => server?.wasStoppedSince(instant) === true }
    }, this.#problem)
  }

  readonly #problem = (text: string): void => {
    if (this.#problems.length < 500) this.#problems.push(`${new Date().toISOString()} ${text}`)
  }

  #progress (text: string): void {
    this.#options.onProgress?.(text)
  }

  async run (): Promise<Report> {
    const { minutes, seed } = this.#options
    await this.#begin()
    const start = await this.#measure()
    await this.#populate()
    const durationMs = minutes * 60_000
    const plan = schedule(this.#rng.fork('faults'), durationMs, this.#nodeCount, this.#rates)
    const faults = new Faults(this.#servers, this.#database!, this.#levers, this.#problem)
    this.#progress(`seed ${seed}: ${plan.length} faults in ${minutes} minutes`)

    const { signal } = this.#stopActing
    setMaxListeners(0, signal)
    for (const proxy of this.#proxies) proxy.calm = false
    const acting = this.#actors.map(async actor => { await actor.run(signal) })
    this.#running.push(...this.#subscribers.map(async subscriber => { await subscriber.run() }), this.#newcomers(signal))
    await faults.run(plan, durationMs)
    for (const proxy of this.#proxies) proxy.calm = true
    for (const subscriber of this.#subscribers) subscriber.wake()
    this.#stopActing.abort()
    await within(SETTLE_MS, Promise.all(acting), 'users are still waiting for answers').catch(this.#problemOf)

    const settledMs = await this.#settle()
    const oracle = new Oracle(await this.#database!.snapshot(), this.#model, this.#commits!, this.#problem)
    await this.#judgeRest()
    for (const subscriber of this.#subscribers) subscriber.stop()
    await Promise.all(this.#running)
    const end = await this.#release()
    if (end.descriptors > start.descriptors + SPARE_DESCRIPTORS + this.#pooledSockets) this.#problem(`descriptors: ${start.descriptors} at the start, ${end.descriptors} at the end`)
    if (end.timers > start.timers + 2 + this.#nodeCount * this.#pooledSockets) this.#problem(`timers: ${start.timers} at the start, ${end.timers} at the end`)
    oracle.judgeHistory()
    for (const subscriber of this.#subscribers) oracle.judgeSubscriber(subscriber)
    await Promise.all(this.#servers.map(async server => {
      const { code, ms } = await server.terminate()
      if (code !== 0 || ms > 10_000) this.#problem(`the last SIGTERM: ${code} after ${ms} ms`)
    }))
    const { log, messages } = await this.#database!.snapshot()
    return {
      seed,
      minutes,
      nodes: this.#nodeCount,
      faults: faults.counts,
      killsBeforeEmit: this.#killsBeforeEmit(faults, log),
      proxy: this.#proxyCounters(),
      messages: messages.length,
      events: log.length,
      checked: this.#subscribers.reduce((sum, { received }) => sum + received.length, 0),
      subscribers: this.#subscribers.length,
      connections: this.#subscribers.reduce((sum, { openedAt }) => sum + openedAt.length, 0),
      reasons: this.#reasons(),
      ...this.#api.counters,
      slowestTerminationMs: faults.slowestTerminationMs,
      settledMs,
      memory: { startMiB: start.memoryMiB, endMiB: end.memoryMiB },
      descriptors: { start: start.descriptors, end: end.descriptors },
      fellBehind: end.fellBehind,
      gaps: end.gaps,
      problems: this.#problems,
      schedule: plan,
      errors: this.#servers.flatMap(server => server.errors),
      log: this.#servers.flatMap(server => server.log)
    }
  }

  async dispose (): Promise<void> {
    this.#stopActing.abort()
    for (const subscriber of this.#subscribers) subscriber.stop()
    this.#api.close()
    await Promise.all(this.#proxies.map(async proxy => { await proxy.close() }))
    await Promise.all(this.#servers.map(async server => { await server.dispose() }))
    await this.#commits?.stop()
    await this.#database?.close()
    const { database, bus, ownDatabase, disk, clocks } = this.#levers
    await Promise.all([database?.close(), bus?.close(), ownDatabase?.drop()])
    for (const clock of clocks) clock.dispose()
    disk?.unmount()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  readonly #problemOf = (error: unknown): void => { this.#problem((error as Error).message) }

  // ---- setting up

  async #begin (): Promise<void> {
    const { redisUrl } = this.#options
    const databaseUrl = await this.#makeDatabase()
    if (!databaseUrl.startsWith('file:')) this.#levers.database = await Gate.before(databaseUrl, 5432)
    if (redisUrl !== undefined) this.#levers.bus = await Gate.before(redisUrl, 6379)
    const env = {
      DATABASE_URL: this.#levers.database?.through(databaseUrl) ?? databaseUrl,
      HEARTBEAT_MS: '500',
      STALE_AFTER_MS: '3000',
      STREAM_BUFFER_BYTES: '65536',
      ...(redisUrl === undefined ? {} : { REDIS_URL: this.#levers.bus!.through(redisUrl) })
    }
    for (let node = 0; node < this.#nodeCount; node++) {
      const clock = new ShiftedClock()
      this.#levers.clocks.push(clock)
      const server = await ServerProcess.create({ ...env, ...(this.#clocksJump ? clock.env : {}) })
      this.#servers.push(server)
      await server.start()
      this.#proxies.push(await Proxy.listen(server.port, { ...PROXY, ...this.#options.proxy }, this.#rng.fork(`proxy ${node}`)))
    }
    this.#database = await openHarnessDatabase(databaseUrl)
    this.#commits = new CommitWatch(this.#database)
    this.#commits.start()
  }

  /** Where the nodes keep their data: in whatever the faults need. */
  async #makeDatabase (): Promise<string> {
    const { databaseUrl } = this.#options
    const { readOnlysPerMinute, refusalsPerMinute, fullDisksPerMinute } = this.#rates
    if (databaseUrl === undefined) {
      if (fullDisksPerMinute > 0) this.#levers.disk = new SmallDisk(DISK_MIB)
      this.#levers.file = join(this.#levers.disk?.folder ?? this.#folder, 'chat.db')
      return `file:${this.#levers.file}`
    }
    if (readOnlysPerMinute + refusalsPerMinute > 0) this.#levers.ownDatabase = await OwnDatabase.create(databaseUrl)
    return withSchema(this.#levers.ownDatabase?.url ?? databaseUrl, `chaos_${randomBytes(6).toString('hex')}`)
  }

  get #clocksJump (): boolean {
    return this.#rates.clockJumpsPerMinute > 0
  }

  /** Groups, some of whose participants come and go; direct conversations of each user with the next; and who follows what. */
  async #populate (): Promise<void> {
    const users = this.#userIds
    for (const userId of users) await this.#api.call(userId, 'GET', '/api/chat/me')
    const groups: Array<{ conversationId: string, owner: string, steady: string[], volatile: string[] }> = []
    for (let group = 0; group < 3; group++) {
      const rotated = [...users.slice(group * 2), ...users.slice(0, group * 2)]
      const [owner = '', ...others] = rotated
      const steady = others.slice(0, 2)
      const volatile = others.slice(2, 6)
      const { body } = await this.#api.call(owner, 'POST', '/api/chat/conversations', { type: 'group', title: `group ${group}`, participantIds: others })
      groups.push({ conversationId: String(body.id), owner, steady, volatile })
      this.#model.addConversation(String(body.id), rotated)
    }
    for (const [index, userId] of users.entries()) {
      const other = users[(index + 1) % users.length]!
      const { body } = await this.#api.call(userId, 'POST', '/api/chat/conversations', { type: 'direct', userId: other })
      this.#model.addConversation(String(body.id), [userId, other])
    }
    const context = { model: this.#model, api: this.#api, problem: this.#problem }
    for (const [index, userId] of users.entries()) {
      this.#actors.push(new Actor({
        userId,
        everybody: users,
        pauseMs: this.#options.pauseMs ?? 120,
        manages: groups.filter(({ owner }) => owner === userId),
        leaves: groups.filter(({ volatile }) => volatile.includes(userId)).map(({ conversationId }) => conversationId)
      }, { ...context, rng: this.#rng.fork(`actor ${userId}`) }))
      this.#subscribe(`${userId} all`, userId, null, index % 4 === 3, index % 2 === 0, index % 4 === 1)
      for (const [number, { conversationId }] of groups.entries()) {
        this.#subscribe(`${userId} group ${number}`, userId, conversationId, (index + number) % 5 === 0, (index + number) % 2 === 0, (index + number) % 4 === 2)
      }
    }
    // A second device of everything.
    this.#subscribe('user0 all, again', users[0]!, null, true, true, false)
  }

  #subscribe (name: string, userId: string, conversationId: string | null, echo: boolean, byHeader: boolean, slow: boolean): Subscriber {
    const hops = this.#rng.fork(`hops of ${name}`)
    const subscriber = new Subscriber(
      `${name}${echo ? ' with echo' : ''}${slow ? ', slow' : ''}`,
      { userId, conversationId, echo, resumeBy: byHeader ? 'header' : 'query', slow },
      {
        port: () => hops.pick(this.#proxies).port,
        model: this.#model,
        api: this.#api,
        rng: this.#rng.fork(name),
        problem: this.#problem,
        nodes: this.#nodeCount,
        clocksJump: this.#clocksJump
      })
    this.#subscribers.push(subscriber)
    return subscriber
  }

  /** People who open a page during the run, and close it after a while. */
  async #newcomers (signal: AbortSignal): Promise<void> {
    const rng = this.#rng.fork('newcomers')
    const visits: Array<Promise<void>> = []
    for (let count = 1; !signal.aborted; count++) {
      const userId = rng.pick(this.#userIds)
      const conversations = this.#model.conversationsOf(userId)
      const conversationId = rng.chance(0.6) || conversations.length === 0 ? null : rng.pick(conversations)
      const visitor = this.#subscribe(`${userId} visit ${count}`, userId, conversationId, rng.chance(0.2), rng.chance(0.5), false)
      const stay = sleep(rng.exponential(6000), undefined, { signal }).catch(() => {}).then(() => { visitor.leave() })
      visits.push(visitor.run(), stay)
      await sleep(rng.exponential(1500), undefined, { signal }).catch(() => {})
    }
    await Promise.all(visits)
  }

  // ---- the verdict

  /** Waits until every subscriber has what the log says. The oracle finds those that never do. */
  async #settle (): Promise<number> {
    const since = Date.now()
    const oracle = new Oracle(await this.#database!.snapshot(), this.#model, this.#commits!, () => {})
    const owing = (): Subscriber[] => this.#subscribers.filter(subscriber => !subscriber.left &&
      [...oracle.owed(subscriber)].some(([id, seq]) => (subscriber.newest.get(id) ?? 0) < seq))
    const settled = await until(SETTLE_MS, async () => owing().length === 0)
    if (!settled) this.#problem(`not caught up after ${SETTLE_MS} ms: ${owing().map(({ name }) => name).join('; ')}`)
    const settledMs = Date.now() - since
    const typing = (): string[] => this.#subscribers.filter(({ left }) => !left).flatMap(({ name, typing }) => typing.map(({ userId, conversationId }) => `${name}: ${userId} in ${conversationId}`))
    if (!await until(LAPSE_MS, async () => typing().length === 0)) this.#problem(`typing doesn't lapse: ${typing().slice(0, 5).join('; ')}`)
    return settledMs
  }

  /** The history, unread counts and a replay of everything, as a newcomer gets them. */
  async #judgeRest (): Promise<void> {
    const { identity, conversations, participants, messages, log } = await this.#database!.snapshot()
    const { port } = this.#servers[0]!
    for (const userId of this.#userIds) await this.#judgeList(port, userId, log)
    for (const { id, num, eventSeq } of conversations) {
      const reader = participants.find(({ conversationId }) => conversationId === id)
      if (reader === undefined) continue
      const token = mint(reader.userId)
      const path = `/api/chat/conversations/${encodeURIComponent(id)}`
      const expected = messages.filter(({ conversationId }) => conversationId === id)
      const history: Array<{ id: string, seq: number, text: string, createdAt: string, editedAt: string | null, deletedAt: string | null }> = []
      for (let hasMore = true; hasMore;) {
        const { body } = await callOnce(port, 'GET', `${path}/messages?limit=100&after=${history.at(-1)?.seq ?? 0}`, { token })
        history.push(...body.messages as typeof history)
        hasMore = body.hasMore as boolean
      }
      if (history.length !== expected.length || history.some(
        (message, index) => message.id !== expected[index]!.id || message.text !== expected[index]!.text
      )) {
        this.#problem(`${id}: the history that REST gives is another`)
      }
      for (const { seq, createdAt, editedAt, deletedAt } of history) {
        if ((editedAt !== null && editedAt < createdAt) || (deletedAt !== null && deletedAt < (editedAt ?? createdAt))) this.#problem(`${id}: message ${seq} was made ${createdAt}, edited ${editedAt}, deleted ${deletedAt}`)
      }
      const unread = expected.filter(
        ({ seq, senderId, deletedAt }) => seq > reader.readSeq && senderId !== reader.userId && deletedAt === null
      ).length
      const { body } = await callOnce(port, 'GET', path, { token })
      if (body.unreadCount !== unread) this.#problem(`${id}: ${reader.userId} has ${unread} unread, and it says ${String(body.unreadCount)}`)
      const replayed = await replay(port, reader.userId, id, `${identity}.${num}.0`, eventSeq)
      const wanted = log.filter(({ conversationId }) => conversationId === id).map(({ seq }) => seq)
      if (replayed.join() !== wanted.join()) this.#problem(`${id}: a replay of all gives ${replayed.length} of ${wanted.length} events, or in another order`)
    }
  }

  /** The list is in the order of positions, not of what clocks said. */
  async #judgeList (port: number, userId: string, log: LogRow[]): Promise<void> {
    const latest = new Map<string, number>()
    for (const { conversationId, type, position } of log) {
      if (ACTIVITY.has(type)) latest.set(conversationId, Math.max(latest.get(conversationId) ?? 0, position))
    }
    const { body } = await callOnce(port, 'GET', '/api/chat/conversations?limit=100', { token: mint(userId) })
    const positions = (body.conversations as Array<{ id: string }>).map(({ id }) => latest.get(id) ?? 0)
    if (positions.some((position, index) => position > (positions[index - 1] ?? Infinity))) this.#problem(`the list of ${userId} is in the order ${positions.join(', ')} of positions`)
  }

  /** All clients are gone: what the process holds for them must go, too. */
  async #release (): Promise<Measure> {
    for (const proxy of this.#proxies) proxy.cutAll()
    this.#api.close()
    if (!await until(SETTLE_MS, async () => (await this.#metric('chat_streams')) === 0)) this.#problem(`chat_streams stays at ${await this.#metric('chat_streams')}`)
    if (!await until(SETTLE_MS, async () => await this.#database!.openStreams() === 0)) this.#problem(`${await this.#database!.openStreams()} streams stay open in the database`)
    const calm = async (): Promise<boolean> => (await this.#metric('chat_topics')) === 0 && (await this.#metric('nodejs_active_resources{type="TCPSocketWrap"}')) <= this.#nodeCount * (1 + this.#pooledSockets)
    if (!await until(10_000, calm)) this.#problem(`sockets stay open: ${await this.#metric('nodejs_active_resources{type="TCPSocketWrap"}')}, topics ${await this.#metric('chat_topics')}`)
    return await this.#measure()
  }

  /** The most sockets of a node to what the nodes share. */
  get #pooledSockets (): number {
    return (this.#levers.database === undefined ? 0 : POSTGRES_SOCKETS) + (this.#levers.bus === undefined ? 0 : REDIS_SOCKETS)
  }

  async #measure (): Promise<Measure> {
    const [server] = this.#servers
    await callOnce(server!.port, 'GET', '/health/ready')
    return {
      fellBehind: await this.#metric('chat_streams_fell_behind_total'),
      gaps: await this.#metric('chat_log_gaps_total'),
      timers: await this.#metric('nodejs_active_resources{type="Timeout"}'),
      memoryMiB: Math.round(server!.residentBytes / 2 ** 20),
      descriptors: server!.descriptorCount
    }
  }

  /** A metric, summed over the nodes; 0 if it does not exist. */
  async #metric (name: string): Promise<number> {
    let sum = 0
    for (const { port } of this.#servers) {
      const { body } = await callOnce(port, 'GET', '/metrics')
      const line = String(body.text).split('\n').find(line => line.startsWith(`${name} `))
      sum += line === undefined ? 0 : Number(line.slice(name.length + 1))
    }
    return sum
  }

  /** Deaths whose last commit was new to everybody when they came back. */
  #killsBeforeEmit ({ deaths }: Faults, log: Array<{ conversationId: string, seq: number, position: number }>): number {
    return deaths.filter(({ at, position }) => {
      const last = new Set(log.filter(row => row.position === position).map(({ conversationId, seq }) => `${conversationId} ${seq}`))
      return last.size > 0 && !this.#subscribers.some(({ received, openedAt }) =>
        received.some(({ conversationId, eventSeq, connection }) => openedAt[connection]! < at && last.has(`${conversationId} ${eventSeq}`)))
    }).length
  }

  #proxyCounters (): ProxyCounters {
    const sum: ProxyCounters = { connections: 0, cuts: 0, halfCloses: 0, stalls: 0, delays: 0, splits: 0 }
    for (const { counters } of this.#proxies) for (const key of Object.keys(sum) as Array<keyof ProxyCounters>) sum[key] += counters[key]
    return sum
  }

  #reasons (): Record<string, number> {
    const sum: Record<string, number> = {}
    for (const { reasons } of this.#subscribers) for (const [reason, count] of Object.entries(reasons)) sum[reason] = (sum[reason] ?? 0) + count
    return sum
  }
}

/**
 * Follows a conversation from an event id until its newest event has arrived. Returns the numbers in the order of
 * arrival. It does not use `fetch`: that of Node.js opens a spare connection when a body is left unread, which would
 * count as one that the server does not close.
 */
async function replay (port: number, userId: string, conversationId: string, from: string, last: number): Promise<number[]> {
  const numbers: number[] = []
  const request = httpRequest({
    host: '127.0.0.1',
    port,
    path: `/api/sse?echo=true&conversationId=${encodeURIComponent(conversationId)}`,
    headers: { authorization: `Bearer ${mint(userId)}`, 'last-event-id': from },
    agent: false,
    signal: AbortSignal.timeout(SETTLE_MS)
  }).end()
  request.on('error', () => {})
  const parser = new SseParser()
  try {
    const [response] = await once(request, 'response') as [IncomingMessage]
    for await (const bytes of response as AsyncIterable<Buffer>) {
      for (const { data } of parser.push(bytes)) {
        const { eventSeq } = JSON.parse(data) as { eventSeq?: number }
        if (eventSeq !== undefined) numbers.push(eventSeq)
      }
      if (numbers.at(-1) === last) break
    }
  } catch {
    // What has arrived by then is all there is.
  } finally {
    request.destroy()
  }
  return numbers
}

/** Checks until the condition holds. False if it does not hold in time. */
async function until (timeoutMs: number, isSo: () => Promise<boolean>): Promise<boolean> {
  for (const deadline = Date.now() + timeoutMs; ;) {
    if (await isSo()) return true
    if (Date.now() > deadline) return false
    await sleep(50)
  }
}

async function within<T> (timeoutMs: number, work: Promise<T>, otherwise: string): Promise<T> {
  const timeout = new AbortController()
  const late = sleep(timeoutMs, undefined, { signal: timeout.signal }).then(() => { throw new Error(otherwise) })
  late.catch(() => {})
  return await Promise.race([work, late]).finally(() => { timeout.abort() })
}
