import type { AnyEmission, Catalogue } from './emission.js'
import type { Cursor } from './frame.js'
import { KnownLog, later, type Newest, type Transaction } from './known-log.js'
import type { FramedEvent, Log } from './log.js'

/** How often the hub looks in the log for what it did not hear of, in milliseconds. */
const SWEEP_MS = 1000

export interface HorizonOwner {
  /** Whether there are neither streams nor topics. */
  isIdle(): boolean
  /** Whether events are on their way to streams. */
  isBusy(): boolean
  /** The lowest floor that there was when something began that is still under way; else Infinity. */
  heldAt(): number
  /** The log has an event by which a user joins a topic. */
  foundJoin(topic: string, userId: string, seq: number): void
  /** A topic has ended, with this event. */
  foundEnd(emission: AnyEmission): void
  /** The log has events of a topic up to this `seq`. */
  foundEvents(topic: string, seq: number): void
  /** The log is no longer the one that was known, and its newest transaction is this. */
  diverged(newest: Transaction): void
}

/**
 * How far a hub is in the log, over all topics. All positions are numbers of transactions, and each is at most the one to its right:
 *
 *     floor              everything up to here was sent when the last turn ended: what an event id may say
 *       └─ position      everything up to here has been sent or is under way
 *            └─ newest   the newest that the hub has heard of
 *
 * A position is passed when this node commits the next one (`settle`), or when a sweep has looked up what came in between.
 * The sweep asks for the log's newest position: one row, where nothing has happened elsewhere. Where the hub may have missed
 * something (a channel was joined late, the bus was away, something was read a while ago), the sweep looks again from an earlier
 * position, and until it has, the floor is there.
 *
 * Each answer of the log is compared with what is known of its transactions (`KnownLog`), to notice that the log has
 * lost its end. A transaction that does not fit is a doubt: nothing durable is taken in until an answer has settled it.
 */
export class Horizon<C extends Catalogue> {
  readonly #owner: HorizonOwner
  readonly #known = new KnownLog()
  #log: Log<C> | undefined
  #position = 0
  #floor = 0
  #shown: Transaction = { position: 0, tag: undefined }
  /** Doubts so far, and those of them that an answer has settled. */
  #doubts = 0
  #doubtsSettled = 0
  /** The next sweep looks from here on, and the one under way does: nothing after these positions counts as seen. */
  #lookFrom = Infinity
  #lookingFrom = Infinity
  #sweeping: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor (owner: HorizonOwner) {
    this.#owner = owner
  }

  async useLog (log: Log<C>): Promise<void> {
    this.#log = log
    this.#begin(await log.look([]))
    this.#timer = setInterval(() => { void this.sweep() }, SWEEP_MS)
    this.#timer.unref()
  }

  async close (): Promise<void> {
    clearInterval(this.#timer)
    await this.#sweeping
  }

  get hasLog (): boolean {
    return this.#log !== undefined
  }

  get position (): number {
    return this.#position
  }

  get floor (): number {
    return this.#floor
  }

  /** The newest transaction of which streams have been sent anything. */
  get shown (): Transaction {
    return this.#shown
  }

  /** Tag of the transaction at a position, where it is known. */
  tagAt (position: number): string | undefined {
    return this.#known.tagAt(position)
  }

  /** The cursor of a stream that has been sent everything up to a position. Makes the id of successive events only once. */
  cursorAt (position: number): Cursor {
    const at = { position, tag: this.tagAt(position) }
    let last: { shown: Transaction, id: string } | undefined
    return shown => {
      if (last?.shown !== shown) last = { shown, id: this.#log?.cursor(at, shown) ?? '' }
      return last.id
    }
  }

  /** An event of this transaction is sent to a stream. */
  show (event: { position: number | undefined, tag: string | undefined }): void {
    this.#shown = later(this.#shown, event)
  }

  /** What was under way at the beginning of a turn may have been sent. */
  raiseFloor (): void {
    this.#floor = Math.min(this.#position, this.#lookFrom, this.#lookingFrom, this.#owner.heldAt())
  }

  // ---- what is heard of transactions

  /** Takes note of a transaction that this hub may not have heard of. */
  know (transaction: Transaction): void {
    if (transaction.position > this.#known.newest) this.#learn(transaction)
  }

  /** Takes note of a transaction of which a client has been sent something, here or on another node. */
  showed (transaction: Transaction): void {
    this.know(transaction)
    this.show(transaction)
  }

  /** This node has committed an event, which comes next unless a sweep was a moment faster. A number known otherwise is a doubt. */
  committed ({ position, tag }: AnyEmission): void {
    if (position !== undefined && tag !== undefined && position <= this.#position && this.tagAt(position) === undefined) this.#doubt(position)
  }

  /** Everything that a transaction of this node logged is under way. */
  settle (transaction: Transaction): void {
    this.#learn(transaction)
    if (transaction.position !== this.#position + 1) return
    this.#position = transaction.position
    if (!this.#owner.isBusy()) this.raiseFloor()
  }

  /** Takes note of an event's transaction. @returns whether the event can be taken in; if not, a sweep will find it */
  admits ({ position, tag }: AnyEmission): boolean {
    if (this.#log === undefined) return true
    if (position !== undefined) this.#learn({ position, tag })
    return this.#isCertain
  }

  /** Takes note of a page of the log. @returns whether it can be used; if not, it has to be read again */
  admitsPage (page: readonly FramedEvent[]): boolean {
    for (const { emission: { position = 0, tag } } of page) {
      // Old transactions are not worth remembering
      if (position > this.#position) this.#learn({ position, tag })
      else if (this.#known.contradicts({ position, tag })) this.#doubt(position)
    }
    return this.#isCertain
  }

  get #isCertain (): boolean {
    return this.#doubts === this.#doubtsSettled
  }

  #learn (transaction: Transaction): void {
    if (this.#known.contradicts(transaction)) this.#doubt(transaction.position)
    else this.#known.learn(transaction)
  }

  /**
   * Two transactions have the same number: the log has diverged, or a message was wrong. What arrives until the log has
   * answered is looked up afterwards.
   */
  #doubt (position: number): void {
    this.#doubts++
    this.#lookFrom = Math.min(this.#lookFrom, this.#position, position - 1)
    this.raiseFloor()
    void this.sweep()
  }

  // ---- the sweep

  /** Looks up what has happened since the hub was at `position`, when something was read that is used only now. */
  lookBack (position: number): void {
    if (position >= this.#position) return
    this.#lookFrom = Math.min(this.#lookFrom, position)
    this.raiseFloor()
    void this.sweep()
  }

  /** Sweeps. A sweep that is under way may have asked already, so another one follows it. */
  lookAgain (): void {
    this.#lookFrom = Math.min(this.#lookFrom, this.#position)
    void this.sweep()
  }

  /** Looks in the log for what the bus did not bring. */
  async sweep (): Promise<void> {
    if (this.#log === undefined) {
      this.#lookFrom = Infinity
      return
    }
    const log = this.#log
    this.#sweeping ??= this.#sweepAll(log).finally(() => { this.#sweeping = undefined })
    await this.#sweeping
  }

  async #sweepAll (log: Log<C>): Promise<void> {
    try {
      if (this.#owner.isIdle()) return await this.#skipAhead(log)
      do await this.#sweepOnce(log)
      while (this.#lookFrom < Infinity)
    } catch {
      // The database is unavailable: the next sweep looks from the same position
      this.#lookFrom = Math.min(this.#lookFrom, this.#lookingFrom)
    } finally {
      this.#lookingFrom = Infinity
    }
  }

  /** Nobody follows anything: the position is all that is needed. */
  async #skipAhead (log: Log<C>): Promise<void> {
    this.#lookFrom = Infinity
    const newest = await this.#compare(log)
    if (newest !== undefined && this.#owner.isIdle() && newest.position > this.#position) this.#position = this.#floor = newest.position
  }

  async #sweepOnce (log: Log<C>): Promise<void> {
    const from = this.#lookingFrom = Math.min(this.#position, this.#lookFrom)
    this.#lookFrom = Infinity
    const newest = await this.#compare(log)
    if (newest === undefined || newest.position <= from) return
    const [changed, joined, ended] = await Promise.all([log.changedSince(from), log.joinedSince(from), log.endedSince?.(from) ?? []])
    for (const { topic, userId, seq } of joined) this.#owner.foundJoin(topic, userId, seq)
    for (const emission of ended) this.#owner.foundEnd(emission)
    for (const { topic, seq } of changed) this.#owner.foundEvents(topic, seq)
    if (newest.position > this.#position) this.#position = newest.position
    this.#lookingFrom = Infinity
    this.raiseFloor()
  }

  /** The log's newest transaction; undefined where the log turned out to have diverged. */
  async #compare (log: Log<C>): Promise<Newest | undefined> {
    const doubts = this.#doubts
    const { positions, isSame, again } = this.#known.compare()
    let newest
    try {
      newest = await log.look(positions)
    } catch (error) {
      again()
      throw error
    }
    if (!isSame(newest)) {
      this.#begin(newest)
      this.#owner.diverged(newest)
      return undefined
    }
    this.#doubtsSettled = doubts
    this.#learn(newest)
    return newest
  }

  /** Begins with the log as it is. */
  #begin (newest: Newest): void {
    this.#known.restart(newest)
    this.#position = this.#floor = newest.position
    this.#shown = newest
    this.#doubtsSettled = this.#doubts
    this.#lookFrom = this.#lookingFrom = Infinity
  }
}
