import { chatError } from '../errors.js'
import type { Hub } from '../hub/hub.js'
import type { ChatEvents } from '../schemas/events.js'
import { TEXT_LENGTH, type SendMessageBody } from '../schemas/messages.js'
import type { SearchPage, SearchQuery } from '../schemas/search.js'
import { Counters } from '../store/counters.js'
import type { Database } from '../store/database.js'
import { Queries } from '../store/queries.js'
import { Writer } from '../store/writer.js'
import { Accounts } from './accounts.js'
import { Administration } from './administration.js'
import { Background } from './background.js'
import { Directory } from './directory.js'
import { boundChat, type BoundChat } from './bound.js'
import { cursorOfTopic } from './event-id.js'
import { FileKeeper } from './file-keeper.js'
import { Files } from './files.js'
import { Finishing } from './finishing.js'
import { Followers } from './followers/followers.js'
import { hostFollower } from './followers/host-follower.js'
import { Renderer } from './followers/rendering.js'
import type { HostTransaction } from './host-transaction.js'
import { Housekeeping } from './housekeeping.js'
import { Lease } from './lease.js'
import { Gate } from './hooks/before.js'
import { beforeByUrl } from './hooks/before-url.js'
import { HOOK_TIMEOUT_MS } from './hooks/call.js'
import { chatLog } from './log.js'
import { MessageOperations } from './operations/messages.js'
import type { ChatOptions } from './options.js'
import { PendingMessages } from './pending.js'
import { Presence } from './presence.js'
import { DEFAULT_QUOTAS } from './quotas.js'
import { RECEIPT_DAYS } from './retention.js'
import { Indexing } from './search/indexing.js'
import { Search } from './search/search.js'
import { Streams } from './streams.js'
import { Tickets } from './tickets.js'
import { Typing } from './typing.js'
import { Users, type Caller } from './users.js'
import { Webhooks } from './webhooks/webhooks.js'
import { whenAvailable } from './when-available.js'

/**
 * The chat's operations, for HTTP and in process (operations/). Each checks its input and runs a command; the hub gets its events after
 * the commit. Refusals are `ChatError`s of the catalogue in schemas/errors.ts.
 */
export class Chat extends MessageOperations {
  readonly hub: Hub<ChatEvents>
  readonly accounts: Accounts
  /** Counters shared by all nodes. */
  readonly counters: Counters
  readonly tickets: Tickets
  readonly directory: Directory
  /** What operators do. */
  readonly administration: Administration
  readonly streams: Streams
  /** What follows the event log. */
  readonly followers: Followers
  /** Messages that the host enqueues in its own transactions. */
  readonly pending: PendingMessages
  readonly webhooks: Webhooks

  readonly searching: Search

  readonly #writer: Writer
  readonly #indexing: Indexing | undefined
  readonly #lease: Lease
  readonly #background: Background
  readonly #housekeeping: Housekeeping
  readonly #files: Files | undefined

  constructor (database: Database, hub: Hub<ChatEvents>, options: ChatOptions = {}) {
    const { maxStreamsPerUser = 20, eventRetentionDays, receiptDays = RECEIPT_DAYS, onError = () => {} } = options
    const { maxTextLength = TEXT_LENGTH.standard } = options
    const { clock } = database
    const queries = new Queries(database)
    const renderer = new Renderer(database, onError)
    const writer = new Writer(database, ({ emissions, events, logged }) => {
      for (const { row: { conversation, seq }, emission } of events) {
        emission.id = cursorOfTopic(database.identity, conversation.num, seq, logged?.tag)
      }
      hub.emit(...emissions)
      renderer.emitted(emissions)
      if (logged === undefined) return
      hub.settle(logged.position, logged.tag)
      this.followers.feed.heard(logged.position)
    })
    const background = new Background(hub.clock, onError)
    const limits = { timeoutMs: options.hookTimeoutMs ?? HOOK_TIMEOUT_MS, failure: options.hookFailure ?? 'refuse', onError }
    const { directory: audience = 'contacts', hooks: { before, resolveUsers, searchUsers, onEvent, onRefused } = {}, beforeHook } = options
    const users = new Users(queries, writer, resolveUsers, limits)
    const asks = beforeHook === undefined ? before : beforeByUrl(beforeHook.url, beforeHook.secret, limits.timeoutMs)
    const gate = new Gate({ queries, writer, users, before: asks, limits })
    const finishing = new Finishing({ gate, queries, writer, maxTextLength })
    const typing = new Typing(queries, writer, background, hub.clock)
    const presence = new Presence(queries, writer, background, hub.clock)
    const quotas = {
      conversations: options.maxConversationsPerUser ?? DEFAULT_QUOTAS.conversations,
      groupsPerDay: options.maxGroupsPerDay ?? DEFAULT_QUOTAS.groupsPerDay
    }
    const counters = new Counters(database, writer)
    const directory = new Directory({ queries, counters, audience, searchUsers })
    super({
      database,
      queries,
      gate,
      finishing,
      users,
      typing,
      presence,
      directory,
      quotas,
      hasAccounts: options.accounts === true,
      hasFiles: options.files !== undefined,
      maxTextLength
    })
    this.hub = hub
    this.#writer = writer
    this.#background = background
    this.counters = counters
    this.directory = directory
    this.administration = new Administration(queries, users, directory)
    this.accounts = new Accounts(queries, writer, counters)
    this.tickets = new Tickets(writer, clock)
    this.#lease = new Lease(writer, hub.clock, clock, () => this.streams.open())
    this.streams = new Streams({
      identity: database.identity,
      clock,
      nodeId: this.#lease.nodeId,
      maxPerUser: maxStreamsPerUser,
      hub,
      queries,
      writer,
      users,
      comeBack: async () => { await this.#lease.renew() },
      onClosed: row => {
        if (background.stopped) return
        presence.streamClosed(row)
        typing.streamClosed(row)
      },
      onDiverged: () => {
        users.forget()
        this.followers.diverged()
        onError(new Error('The event log lacks events that were sent, as after a failover that lost the newest: all streams are reset'))
      }
    })
    this.followers = new Followers({ database, writer, background, clock: hub.clock, nodeId: this.#lease.nodeId })
    const searches = options.search !== false
    this.searching = new Search(database, searches)
    this.#indexing = searches ? new Indexing({ database, writer, background }) : undefined
    if (this.#indexing !== undefined) this.followers.add(this.#indexing.follower)
    this.pending = new PendingMessages({
      database, writer, gate, typing, background, clock: hub.clock, taken: { takesFiles: options.files !== undefined, maxTextLength }, onRefused
    })
    if (onEvent !== undefined) this.followers.add(hostFollower(renderer, onEvent, onError))
    const rules = { allowPrivate: false, allowHttp: false, ...options.webhooks }
    this.webhooks = new Webhooks({ ...rules, database, writer, followers: this.followers, renderer, background })
    this.#files = options.files && new Files(database, writer, gate, options.files)
    const fileKeeper = options.files && new FileKeeper(database, writer, options.files.storage, onError)
    this.#housekeeping = new Housekeeping({
      database, queries, writer, counters, background, typing, presence, finishing, fileKeeper, eventRetentionDays, receiptDays
    })
  }

  /** Saves the caller as a user, or updates name and avatar. Needs no query when nothing is new. */
  async ensureUser (caller: Caller): Promise<void> {
    await this.parts.users.ensure(caller)
  }

  /** Throws if there is no such user. @throws UNKNOWN_USER */
  async assertUser (userId: string): Promise<void> {
    await this.parts.users.assertExists(userId)
  }

  /** The operations as one user calls them: without the user's id. */
  as (userId: string): BoundChat {
    return boundChat(this, userId)
  }

  get hasFiles (): boolean {
    return this.#files !== undefined
  }

  /** The files of messages. @throws FEATURE_OFF where there are none */
  get files (): Files {
    if (this.#files === undefined) throw chatError('FEATURE_OFF')
    return this.#files
  }

  /**
   * Enqueues a message in a transaction of the host's on the chat's database: it is sent if and when that commits.
   * @param tx a transaction client of Prisma, a `pg` client or a better-sqlite3 database after BEGIN, or Drizzle's `tx`
   * @throws {TypeError} where `tx` is none of these; what `sendMessage` throws, so that the host can roll back
   */
  async enqueue (tx: HostTransaction, userId: string, body: SendMessageBody): Promise<{ pendingId: string }> {
    return await this.pending.enqueue(tx, userId, body)
  }

  /** Returns a page of the messages in the user's conversations that have all terms, newest first. @throws FEATURE_OFF */
  async search (userId: string, query: SearchQuery): Promise<SearchPage> {
    return await this.searching.search(userId, query)
  }

  /** Resolves when all messages that were enqueued and committed before this call are sent or refused. */
  async flush (): Promise<void> {
    await this.pending.flush()
  }

  /** Takes a lease as a node, and starts housekeeping. */
  async start (): Promise<void> {
    const { queries, database } = this.parts
    // Followers of the log hear of other nodes' commits by the hub's sweep.
    const log = chatLog(queries, database, position => { this.followers.feed.heard(position) })
    await whenAvailable(async () => { await this.hub.useLog(log, this.streams) })
    await whenAvailable(async () => { await this.#housekeeping.clampDeadlines() })
    await whenAvailable(async () => { await this.#lease.start() })
    const indexing = this.#indexing
    if (indexing !== undefined) await whenAvailable(async () => { await indexing.prepare() })
    this.#housekeeping.start()
    indexing?.start()
    this.followers.start()
    this.pending.start()
    this.webhooks.start()
  }

  /** Finishes the writes that have begun. Hub and database stay open. */
  async stop (): Promise<void> {
    await this.#background.stop()
    await this.#files?.stop()
    await this.followers.stop().catch(() => { /* Their leases lapse. */ })
    this.webhooks.stop()
    await this.#lease.stop().catch(() => { /* It lapses. */ })
    await this.#writer.close()
  }

  /** Rejects when the database does not answer. */
  async ping (): Promise<void> {
    await this.parts.database.ping()
  }
}
