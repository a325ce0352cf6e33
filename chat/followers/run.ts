import { isChatError } from '../../errors.js'
import type { Clock } from '../../hub/clock.js'
import type { LogPlace } from '../../store/reads/entries.js'
import { endOf } from '../../store/reads/entries.js'
import type { FollowerRow } from '../../store/followers.js'
import type { SharedClock } from '../../store/shared-clock.js'
import type { LogFeed } from './feed.js'
import { FollowerError, retryDelay, type Failing, type Follower, type Lead } from './follower.js'

/** Pause after the chat's own database was unavailable, in milliseconds. */
const UNAVAILABLE_MS = 1000
/** Of an error that is kept. */
const ERROR_MAX = 300

/** `state` of a follower's row. */
interface State {
  /** How far it is within the transaction at its position. Missing: at its end. */
  within?: [conversation: number, seq: number]
  failing?: Failing
}

export const readState = (text: string | null): State => text === null ? {} : JSON.parse(text) as State

export interface RunOptions {
  feed: LogFeed
  clock: Clock
  shared: SharedClock
}

/** A follower that this node leads: it goes through the log until it is stopped. */
export class FollowerRun implements Lead {
  readonly follower: Follower
  readonly #options: RunOptions
  readonly #stop = new AbortController()
  #place: LogPlace
  #failing: Failing | undefined
  /** Whether there is something to write. */
  isDirty = false
  /** Resolves when it has stopped. */
  readonly ended: Promise<void>
  #hurry: (() => void) | undefined

  constructor (follower: Follower, { position, state }: Pick<FollowerRow, 'position' | 'state'>, options: RunOptions) {
    this.follower = follower
    this.#options = options
    const { within, failing } = readState(state)
    this.#place = within === undefined ? endOf(position) : { position, conversation: within[0], seq: within[1] }
    this.#failing = failing
    this.ended = this.#run()
  }

  get signal (): AbortSignal {
    return this.#stop.signal
  }

  get failing (): Failing | undefined {
    return this.#failing
  }

  get position (): number {
    return this.#place.position
  }

  /** What the follower's row says of it. */
  get row (): Pick<FollowerRow, 'position' | 'state'> {
    const { position, conversation, seq } = this.#place
    const isWithin = conversation !== endOf(position).conversation
    const state: State = {
      ...(isWithin ? { within: [conversation, seq] } : {}),
      ...(this.#failing === undefined ? {} : { failing: this.#failing })
    }
    return { position, state: Object.keys(state).length === 0 ? null : JSON.stringify(state) }
  }

  passed (place: LogPlace): void {
    if (this.signal.aborted) return
    this.#place = place
    this.#failing = undefined
    this.isDirty = true
  }

  /** Tries at once what has failed. */
  hurry (): void {
    if (this.#failing !== undefined) this.#failing = { ...this.#failing, nextAt: 0 }
    this.#hurry?.()
  }

  stop (): void {
    this.#stop.abort()
    this.#hurry?.()
  }

  async #run (): Promise<void> {
    const { feed, shared } = this.#options
    while (!this.signal.aborted) {
      const early = (this.#failing?.nextAt ?? 0) - shared.ticks()
      if (early > 0) {
        await this.#pause(early)
        continue
      }
      try {
        const page = await feed.read(this.#place)
        const last = page.entries.at(-1)
        if (last !== undefined) {
          await this.follower.follow(page.entries, this)
          this.passed(last)
        }
        await feed.moreAfter(page, this.signal)
      } catch (error) {
        await this.#failed(error)
      }
    }
  }

  async #failed (error: unknown): Promise<void> {
    if (this.signal.aborted) return
    if (isChatError(error, 'UNAVAILABLE')) return await this.#pause(UNAVAILABLE_MS)
    const now = this.#options.shared.ticks()
    const { tries: before = 0, refusals = 0, since = now } = this.#failing ?? {}
    const tries = before + 1
    this.#failing = {
      tries,
      ...(error instanceof FollowerError && error.isRefusal ? { refusals: refusals + 1 } : refusals > 0 ? { refusals } : {}),
      since,
      nextAt: Math.ceil(now + retryDelay(tries, error instanceof FollowerError ? error.retryAfterMs : undefined)),
      error: String(error instanceof Error ? error.message : error).slice(0, ERROR_MAX)
    }
    this.isDirty = true
  }

  async #pause (ms: number): Promise<void> {
    const { clock } = this.#options
    if (this.signal.aborted) return
    await new Promise<void>(resolve => {
      const alarm = clock.after(ms, resolve)
      this.#hurry = () => {
        clock.cancel(alarm)
        resolve()
      }
    })
    this.#hurry = undefined
  }
}
