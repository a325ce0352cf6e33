import { chatError, isChatError, type ChatError } from '../errors.js'
import type { Alarm, Clock } from '../hub/clock.js'
import { SendMessageBody } from '../schemas/messages.js'
import type { Database } from '../store/database.js'
import { channelOfPending, enqueueStatement, findPending, type PendingRow } from '../store/pending.js'
import { pending } from '../store/tables.js'
import { isOfOne, type Command, type Writer } from '../store/writer.js'
import { elapsedMs } from '../time.js'
import { actorOf } from './actor.js'
import type { Background } from './background.js'
import { contentOf } from './content.js'
import type { Gate } from './hooks/before.js'
import { runnerOf, type HostTransaction } from './host-transaction.js'
import { timeOrderedId } from './ids.js'
import { newMessage, sendMessage, type Taken } from './messages.js'
import type { Typing } from './typing.js'
import { invalid } from './validation.js'

/** A message that was enqueued, and refused after the commit. */
export interface RefusedMessage {
  pendingId: string
  userId: string
  input: SendMessageBody
  error: ChatError
}

export type OnRefused = (refused: RefusedMessage) => void | Promise<void>

/** How often a node looks for messages that were enqueued in its process, in milliseconds, until they are sent. */
const LOOK_MS = 250
/** How long it does so. A transaction that has not ended then is rolled back, or its messages are found by the sweep. */
const LOOKING_MS = 10_000
/** How often each node looks for messages that nobody has told it of, in milliseconds. */
const SWEEP_MS = 1000
/** Messages that this process has enqueued and looks for. Of further ones it learns by the sweep. */
export const ENQUEUED_MAX = 10_000
/** Messages that are read in one step, and those that are sent in one transaction for one user and conversation. */
const PAGE = 500
const STEP = 50
/** How often a message is tried that cannot be written, though others can: by a mistake of the server, or because a trigger refuses it. */
const ATTEMPTS = 5

export interface PendingOptions {
  database: Database
  writer: Writer
  gate: Gate
  typing: Typing
  background: Background
  clock: Clock
  /** What this service takes of a message. */
  taken: Taken
  onRefused: OnRefused | undefined
}

/**
 * Messages that a host enqueues in its own transactions. Such a transaction inserts one row, and locks nothing of the chat's; after its
 * commit, any node sends the message as an ordinary command, which also deletes the row: so it is sent once, whatever crashes when.
 *
 * The messages of one user in one conversation form a lane. A lane is sent in the order of the commits: what cannot be sent for now keeps
 * the later ones waiting, on all nodes, since each reads from the first that waits.
 */
export class PendingMessages {
  readonly counters = { sent: 0, refused: 0 }
  readonly #options: PendingOptions
  /** Messages that this process has enqueued and not seen yet, and until when it looks for them. */
  readonly #enqueued = new Map<string, number>()
  #alarm: Alarm | undefined
  /** Resolves when the look that is under way has ended. */
  #looking: Promise<unknown> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor (options: PendingOptions) {
    this.#options = options
  }

  /** The channel that PostgreSQL notifies when such messages are committed. */
  get channel (): string | undefined {
    const { schema } = this.#options.database
    return schema === undefined ? undefined : channelOfPending(schema)
  }

  start (): void {
    this.#options.background.repeat(SWEEP_MS, async () => { await this.flush() })
  }

  /**
   * Enqueues a message in the host's transaction. It is checked now as if it were sent now, so that the host can roll back.
   * @throws {TypeError} where `tx` is no transaction; the refusals of sending a message; what the host's database throws
   */
  async enqueue (tx: HostTransaction, userId: string, input: SendMessageBody): Promise<{ pendingId: string }> {
    const run = runnerOf(tx)
    const { database, taken, writer } = this.#options
    const body = plainBody(input)
    const outcome = await writer.rehearse(sendMessage(newMessage(actorOf(userId), body, taken)))
    const agreed: EnqueuedMessage = 'repeats' in outcome ? body : await this.#agreed(userId, body)
    const id = timeOrderedId()
    await run(enqueueStatement(database, { id, caller: userId, input: JSON.stringify(agreed), createdAt: database.clock.now() }))
    if (this.#enqueued.size < ENQUEUED_MAX) this.#enqueued.set(id, elapsedMs() + LOOKING_MS)
    this.#lookSoon()
    return { pendingId: id }
  }

  /** The message as the host's hook lets it be sent. */
  async #agreed (userId: string, body: SendMessageBody): Promise<EnqueuedMessage> {
    const { conversationId, clientId } = body
    const changed = await this.#options.gate.ask<SendMessageBody>({
      action: 'message.send', acting: userId, conversationId: () => conversationId, body, schema: SendMessageBody
    })
    return changed === undefined ? body : { ...changed, conversationId, clientId: clientId ?? null, asSent: body }
  }

  /** Something was committed, perhaps elsewhere. */
  wake (): void {
    this.#options.background.run(async () => { await this.flush() })
  }

  /**
   * Sends all that was committed before this call. Resolves when it is sent or refused.
   * @throws UNAVAILABLE when the database is in trouble. The messages wait
   */
  async flush (): Promise<void> {
    // The look that is under way may have read before the commit.
    this.#next ??= this.#looking.then(async () => {
      this.#next = undefined
      const look = this.#look()
      this.#looking = look.catch(() => {})
      await look
    })
    await this.#next
  }

  #lookSoon (): void {
    this.#alarm ??= this.#options.clock.after(LOOK_MS, () => {
      this.#alarm = undefined
      const now = elapsedMs()
      for (const [id, until] of this.#enqueued) if (until < now) this.#enqueued.delete(id)
      this.#options.background.run(async () => {
        try {
          await this.flush()
        } finally {
          if (this.#enqueued.size > 0) this.#lookSoon()
        }
      })
    })
  }

  async #look (): Promise<void> {
    for (;;) {
      const rows = await findPending(this.#options.database, PAGE)
      const sent = await Promise.allSettled(lanesOf(rows).map(async lane => { await this.#send(lane) }))
      const failed = sent.find(({ status }) => status === 'rejected')
      if (failed?.status === 'rejected') throw failed.reason
      if (rows.length < PAGE) return
    }
  }

  async #send (lane: readonly PendingRow[]): Promise<void> {
    for (let from = 0; from < lane.length; from += STEP) await this.#sendStep(lane.slice(from, from + STEP))
  }

  async #sendStep (rows: readonly PendingRow[]): Promise<void> {
    const { taken, typing, writer } = this.#options
    let outcomes
    try {
      outcomes = await writer.write(sendPending(rows, taken))
    } catch (error) {
      if (!isOfOne(error)) throw error
      const [only] = rows
      if (rows.length > 1) {
        // One of them cannot be written.
        for (const row of rows) await this.#sendStep([row])
      } else if (only !== undefined) {
        await this.#failed(only, error)
      }
      return
    }
    for (const { id } of rows) this.#enqueued.delete(id)
    for (const { row, outcome } of outcomes) {
      if (outcome instanceof Error) {
        this.#refused(row, outcome)
      } else {
        this.counters.sent++
        typing.ended(outcome, row.caller)
      }
    }
  }

  /** Tries a message that cannot be written a few times. Then it is refused, and those behind it go on. */
  async #failed (row: PendingRow, error: unknown): Promise<void> {
    const attempts = row.attempts + 1
    const refusal = attempts < ATTEMPTS ? undefined : isChatError(error) ? error : chatError('INTERNAL_ERROR', { cause: error })
    await this.#options.writer.write(recordFailure(row, attempts, refusal))
    if (refusal === undefined) throw error
    this.#refused(row, refusal)
  }

  #refused (row: PendingRow, error: ChatError): void {
    const { background, onRefused } = this.#options
    this.counters.refused++
    if (onRefused === undefined) return
    const { asSent, ...input } = messageOf(row)
    background.run(async () => { await onRefused({ pendingId: row.id, userId: row.caller, input, error }) })
  }
}

/** The body as JSON keeps it, without unknown fields. @throws VALIDATION_FAILED */
function plainBody (input: SendMessageBody): SendMessageBody {
  try {
    const known = Object.entries(input).filter(([name]) => name in SendMessageBody.properties)
    return JSON.parse(JSON.stringify(Object.fromEntries(known))) as SendMessageBody
  } catch {
    throw invalid('value must be an object of JSON')
  }
}

/** What a row of `chat_pending` keeps of a message. */
interface EnqueuedMessage extends SendMessageBody {
  /** What the caller sent, if the host's hook has changed it: a repetition is told by that. */
  asSent?: SendMessageBody
}

const messageOf = ({ input }: PendingRow): EnqueuedMessage => JSON.parse(input) as EnqueuedMessage

/** Messages by sender and conversation, each in order. */
function lanesOf (rows: readonly PendingRow[]): PendingRow[][] {
  const lanes = new Map<string, PendingRow[]>()
  for (const row of rows) {
    const name = JSON.stringify([row.caller, messageOf(row).conversationId])
    const lane = lanes.get(name)
    if (lane === undefined) lanes.set(name, [row])
    else lane.push(row)
  }
  return [...lanes.values()]
}

/** A message's conversation when it was sent, or its refusal. */
interface Outcome { row: PendingRow, outcome: string | ChatError }

/**
 * Sends messages of one lane in one transaction, and deletes their rows in it; of those that are refused, the row keeps why. Rows that
 * another node has sent meanwhile are passed over.
 */
function sendPending (rows: readonly PendingRow[], taken: Taken): Command<Outcome[]> {
  const sends = rows.map(row => {
    const { asSent, ...body } = messageOf(row)
    const message = newMessage(actorOf(row.caller), body, taken)
    return {
      row,
      conversationId: body.conversationId,
      command: sendMessage(asSent === undefined ? message : { ...message, asSent: contentOf(asSent) })
    }
  })
  return {
    needs (keys) {
      for (const { row: { id }, command } of sends) {
        keys.lockedRows(pending, { id })
        command.needs(keys)
      }
    },
    apply (unit) {
      return sends.flatMap(({ row, conversationId, command }): Outcome[] => {
        const [waiting] = unit.rows(pending, { id: row.id })
        if (waiting === undefined || waiting.error !== null) return []
        const before = unit.changes
        try {
          command.apply(unit)
          unit.deleteRows(pending, { id: row.id })
          return [{ row, outcome: conversationId }]
        } catch (error) {
          if (!isChatError(error) || unit.changes > before) throw error
          unit.changeRow(pending, waiting, { error: textOf(error) })
          return [{ row, outcome: error }]
        }
      })
    }
  }
}

function recordFailure ({ id }: PendingRow, attempts: number, refusal: ChatError | undefined): Command<void> {
  return {
    needs (keys) { keys.lockedRows(pending, { id }) },
    apply (unit) {
      for (const row of unit.rows(pending, { id })) {
        unit.changeRow(pending, row, { attempts, error: refusal === undefined ? null : textOf(refusal) })
      }
    }
  }
}

const textOf = ({ code, message }: ChatError): string => `${code}: ${message}`
