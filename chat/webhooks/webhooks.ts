import { randomBytes, randomInt } from 'node:crypto'
import { chatError } from '../../errors.js'
import { isoTime } from '../../schemas/common.js'
import { SkipBody, WebhookBody, WebhookChanges, type Delivery, type DeadPage, type NewWebhook, type Webhook } from '../../schemas/webhooks.js'
import type { Database } from '../../store/database.js'
import { endOf, findEntries, type LogEntry } from '../../store/reads/entries.js'
import { releaseFollower, type FollowerRow } from '../../store/followers.js'
import {
  addDead, addWebhook, changeWebhook, deleteDead, deleteWebhook, findDead, findDeadEvent, findWebhook, findWebhooks, laneName,
  type DeadRow, type WebhookRow
} from '../../store/webhooks.js'
import type { Writer } from '../../store/writer.js'
import type { Background } from '../background.js'
import { parseCursor } from '../event-id.js'
import type { Followers } from '../followers/followers.js'
import { idOf, type Renderer } from '../followers/rendering.js'
import { readState } from '../followers/run.js'
import { decodeListCursor, encodeListCursor } from '../list-cursor.js'
import { forgetDead } from '../retention.js'
import { assertValid, invalid } from '../validation.js'
import { assertReachable, AddressError, fault, type TargetRules } from './addresses.js'
import { LiveEndpoint } from './endpoint.js'
import { Sender } from './post.js'
import { isSecret, newSecret } from './signature.js'

/** How often a node looks for webhooks that another one has added or changed, in milliseconds. */
const ROUND_MS = 1000
const DAY_MS = 86_400_000
/** The secret that was replaced signs for this long, in milliseconds. */
const ROTATION_MS = DAY_MS
const DEAD_PAGE = 50
const LANES = 4

export interface WebhooksOptions extends TargetRules {
  database: Database
  writer: Writer
  followers: Followers
  renderer: Renderer
  background: Background
}

/** The endpoints that are sent events: what operators do with them, and their lanes on this node. */
export class Webhooks {
  readonly #options: WebhooksOptions
  readonly #sender: Sender
  /** Those that are enabled, as this node knows them. */
  readonly #live = new Map<string, LiveEndpoint>()
  /** Requests by what came of them. */
  readonly tries = { delivered: 0, refused: 0, failed: 0 }
  #reading: Promise<void> | undefined

  constructor (options: WebhooksOptions) {
    this.#options = options
    this.#sender = new Sender(options)
  }

  start (): void {
    const { background, database: { clock }, writer } = this.#options
    background.repeat(ROUND_MS, async () => { await this.#refresh() })
    background.prune(async () => { await forgetDead(writer, clock.now()) })
  }

  stop (): void {
    this.#sender.close()
  }

  // ---- what operators do

  async create (body: WebhookBody): Promise<NewWebhook> {
    assertValid(WebhookBody, body)
    const { lanes = LANES, description = null, secret = newSecret(), from = 'now' } = body
    if (!isSecret(secret)) throw invalid('secret must be whsec_ and 24 to 64 bytes in base64')
    await this.#assertTarget(body.url)
    const { database: { dialect, clock }, writer } = this.#options
    const row: WebhookRow = {
      id: `wh_${Array.from({ length: 16 }, () => randomInt(36).toString(36)).join('')}`,
      url: body.url,
      events: JSON.stringify(body.events),
      lanes,
      description,
      enabled: true,
      secret,
      previousSecret: null,
      previousUntil: null,
      createdAt: clock.now()
    }
    await writer.beside(async sql => { await addWebhook(sql, dialect, row, from) })
    await this.#refresh()
    return { ...shown(row), lanes, secret }
  }

  async list (): Promise<Webhook[]> {
    const { followers, database: { read } } = this.#options
    const [rows, lanes] = await Promise.all([findWebhooks(read), followers.rows()])
    return rows.map(row => this.#render(row, lanes))
  }

  async get (id: string): Promise<Webhook> {
    const [row, lanes] = await Promise.all([this.#row(id), this.#options.followers.rows()])
    return this.#render(row, lanes)
  }

  async change (id: string, changes: WebhookChanges): Promise<Webhook> {
    assertValid(WebhookChanges, changes)
    const { url, events, enabled, description } = changes
    const before = await this.#row(id)
    if (url !== undefined) await this.#assertTarget(url)
    // Whoever enables it does not wait for the next try, and it has another three days. First, as lanes that run would be set back.
    if (enabled === true && !before.enabled) await this.#forgive(before)
    await this.#write(id, {
      ...(url === undefined ? {} : { url }),
      ...(events === undefined ? {} : { events: JSON.stringify(events) }),
      ...(enabled === undefined ? {} : { enabled }),
      ...(description === undefined ? {} : { description })
    })
    await this.#refresh()
    return await this.get(id)
  }

  async delete (id: string): Promise<void> {
    const { writer } = this.#options
    if (!await writer.beside(async sql => await deleteWebhook(sql, id))) throw chatError('NOT_FOUND')
    await this.#refresh()
  }

  /** Makes another secret. The one before signs, too, for a day. */
  async rotate (id: string): Promise<{ secret: string }> {
    const { secret: previousSecret } = await this.#row(id)
    const secret = newSecret()
    await this.#write(id, { secret, previousSecret, previousUntil: this.#options.database.clock.ticks() + ROTATION_MS })
    await this.#refresh()
    return { secret }
  }

  /** Sends a `ping`. */
  async test (id: string): Promise<Delivery> {
    const endpoint = this.#endpoint(await this.#row(id))
    const { database: { clock } } = this.#options
    const ping = { id: `ping.${randomBytes(12).toString('hex')}`, type: 'ping', timestamp: isoTime(clock.now()), data: {} }
    return deliveryOf(await endpoint.send(ping))
  }

  async dead (id: string, cursor?: string): Promise<DeadPage> {
    const { database: { read, identity } } = this.#options
    await this.#row(id)
    const list = { ...deadList, of: id }
    const place = decodeListCursor(list, cursor)
    const rows = await findDead(read, id, place, DEAD_PAGE)
    const page = rows.slice(0, DEAD_PAGE)
    const last = rows.length > page.length ? page.at(-1) : undefined
    return {
      dead: page.map(({ conversation, eventSeq, conversationId, type, tag, at, error }) =>
        ({ eventId: idOf(identity, { conversation, seq: eventSeq, tag }), type, conversationId, eventSeq, at: isoTime(at), error })),
      nextCursor: encodeListCursor(list, last && { position: last.position, conversation: last.conversation, seq: last.eventSeq })
    }
  }

  /** Sends an event once more that the endpoint did not take. If it takes it now, the event is no longer kept. */
  async retry (id: string, eventId: string): Promise<Delivery> {
    const { database, renderer, writer } = this.#options
    const endpoint = this.#endpoint(await this.#row(id))
    const cursor = parseCursor(eventId)
    const row = cursor?.kind === 'topic' && cursor.identity === database.identity ? await findDeadEvent(database.prisma, id, cursor) : undefined
    if (row === undefined || idOf(database.identity, entryOf(row)) !== eventId) throw chatError('NOT_FOUND')
    const event = await renderer.render(entryOf(row))
    const delivery = event && deliveryOf(await endpoint.send(event))
    if (delivery?.delivered !== false) await writer.exclusiveBeside(async prisma => { await deleteDead(prisma, row) })
    if (delivery === undefined) throw chatError('NOT_FOUND')
    return delivery
  }

  /** Gives up the event that blocks a lane, and goes on with the next. */
  async skip (id: string, body: SkipBody): Promise<{ skipped: string | null }> {
    assertValid(SkipBody, body)
    const { database, followers } = this.#options
    const row = await this.#row(id)
    if (body.lane >= row.lanes) throw invalid(`lane must be below ${row.lanes}`)
    const name = laneName(id, body.lane)
    const lane = (await followers.rows()).find(follower => follower.name === name)
    const { within, failing } = readState(lane?.state ?? null)
    if (lane === undefined || failing === undefined) return { skipped: null }
    const place = within === undefined ? endOf(lane.position) : { position: lane.position, conversation: within[0], seq: within[1] }
    const [entry] = await findEntries(database, place, 1)
    if (entry === undefined) return { skipped: null }
    await this.#bury(id, entry, failing.error)
    const { position, conversation, seq } = entry
    await this.#release(name, { position, state: JSON.stringify({ within: [conversation, seq] }) })
    return { skipped: idOf(database.identity, entry) }
  }

  // ---- rows

  /** @throws NOT_FOUND */
  async #row (id: string): Promise<WebhookRow> {
    const row = await findWebhook(this.#options.database.read, id)
    if (row === undefined) throw chatError('NOT_FOUND')
    return row
  }

  async #write (id: string, change: Partial<Omit<WebhookRow, 'id'>>): Promise<void> {
    if (!await this.#options.writer.exclusiveBeside(async prisma => await changeWebhook(prisma, id, change))) throw chatError('NOT_FOUND')
  }

  async #assertTarget (url: string): Promise<void> {
    const wrong = fault(url, this.#options)
    if (wrong !== undefined) throw invalid(`url ${wrong}`)
    try {
      await assertReachable(url, this.#options)
    } catch (error) {
      throw invalid(error instanceof AddressError ? 'url must not lead into a private network' : 'url has a name that cannot be resolved')
    }
  }

  #render (row: WebhookRow, followers: readonly FollowerRow[]): Webhook {
    const { clock } = this.#options.database
    // Deadlines are by another clock than the one that is shown.
    const ahead = clock.now() - clock.ticks()
    const shownAt = (ticks: number | undefined): string | null => ticks === undefined ? null : isoTime(Math.round(ticks + ahead))
    const lanes = Array.from({ length: row.lanes }, (_, lane) => {
      const { position = 0, state = null, gap = false } = followers.find(({ name }) => name === laneName(row.id, lane)) ?? {}
      const { failing } = readState(state)
      return {
        lane,
        position,
        behind: this.#options.followers.behind(position),
        failingSince: shownAt(failing?.since),
        lastError: failing?.error ?? null,
        nextAttemptAt: row.enabled ? shownAt(failing?.nextAt) : null,
        gap
      }
    })
    return { ...shown(row), lanes }
  }

  // ---- lanes

  /** Forgets that lanes have failed. */
  async #forgive ({ id, lanes }: WebhookRow): Promise<void> {
    const rows = new Map((await this.#options.followers.rows()).map(row => [row.name, row]))
    for (let lane = 0; lane < lanes; lane++) {
      const { name = '', position = 0, state = null } = rows.get(laneName(id, lane)) ?? {}
      const { failing, ...place } = readState(state)
      if (failing !== undefined) await this.#release(name, { position, state: JSON.stringify(place) })
    }
  }

  /** Writes a lane's row, and takes the lane from the node that leads it, which must not write over it. */
  async #release (name: string, to: Pick<FollowerRow, 'position' | 'state'>): Promise<void> {
    await this.#options.writer.exclusiveBeside(async prisma => { await releaseFollower(prisma, name, to) })
    this.#options.followers.look()
  }

  async #bury (webhookId: string, entry: LogEntry, error: string): Promise<void> {
    const { database: { dialect, clock }, writer } = this.#options
    const { position, conversation, seq: eventSeq, conversationId, type, tag, createdAt } = entry
    const row = { webhookId, position, conversation, eventSeq, conversationId, type, tag, createdAt, at: clock.now(), error }
    await writer.beside(async sql => { await addDead(sql, dialect, row) })
  }

  #endpoint (row: WebhookRow): LiveEndpoint {
    const { database: { clock }, renderer } = this.#options
    return new LiveEndpoint(row, {
      clock,
      renderer,
      sender: this.#sender,
      tries: this.tries,
      bury: async (entry, error) => { await this.#bury(row.id, entry, error) },
      disable: async () => { await this.#write(row.id, { enabled: false }) }
    })
  }

  /** Reads the webhooks, and lets this node follow the log for those that are enabled. */
  async #refresh (): Promise<void> {
    // One that is under way may have read before the change.
    await this.#reading?.catch(() => {})
    this.#reading ??= this.#refreshOnce().finally(() => { this.#reading = undefined })
    await this.#reading
  }

  async #refreshOnce (): Promise<void> {
    const { database: { read }, followers } = this.#options
    const rows = new Map((await findWebhooks(read)).map(row => [row.id, row]))
    for (const [id, endpoint] of this.#live) {
      if (rows.get(id)?.enabled === true) continue
      this.#live.delete(id)
      await Promise.all(endpoint.lanes.map(async ({ name }) => { await followers.drop(name) }))
    }
    for (const row of rows.values()) {
      const known = this.#live.get(row.id)
      known?.follow(row)
      if (known !== undefined || !row.enabled) continue
      const endpoint = this.#endpoint(row)
      this.#live.set(row.id, endpoint)
      for (const lane of endpoint.lanes) followers.add(lane)
    }
  }
}

const deadList = { name: 'dead', place: { position: 'bigint', conversation: 'int', seq: 'int' } } as const

const shown = ({ id, url, events, enabled, description }: WebhookRow): Omit<Webhook, 'lanes'> =>
  ({ id, url, events: JSON.parse(events) as string[], enabled, description })

const entryOf = ({ position, conversation, eventSeq: seq, conversationId, type, tag, createdAt }: DeadRow): LogEntry =>
  ({ position, conversation, seq, conversationId, type, tag, userId: '', messageSeq: null, createdAt })

const deliveryOf = ({ status, error, durationMs }: { status: number | null, error: string | undefined, durationMs: number }): Delivery =>
  ({ delivered: error === undefined, statusCode: status, durationMs, error: error ?? null })
