/** A transaction of the log: its number, and a tag that no other transaction of that number has. */
export interface Transaction {
  position: number
  /** Undefined where it is not known, or not kept any more. */
  tag: string | undefined
}

/** The later of two transactions; the first where the other has no tag. */
export const later = (shown: Transaction, { position, tag }: { position: number | undefined, tag: string | undefined }): Transaction =>
  position !== undefined && tag !== undefined && position > shown.position ? { position, tag } : shown

/** The log's newest transaction, and the tags at the positions that it was asked for, as far as it keeps them. */
export interface Newest extends Transaction {
  tags: ReadonlyMap<number, string>
}

/** Transactions whose tags are remembered: enough for the event ids that streams are sent. */
export const TRANSACTIONS_MAX = 4096
/** Transactions that one comparison asks for. Of more, every other one is skipped. */
export const COMPARED_MAX = 1000

/**
 * What a hub knows of the log's transactions, to notice that the log has diverged from what streams were sent: after a
 * failover to a replica that lacks the newest transactions, others take their numbers.
 *
 * Transactions form one sequence, so a log that has the newest known one has all before it. But since the last comparison the
 * hub may have heard of transactions of both logs, so each of those is asked for.
 */
export class KnownLog {
  readonly #tags = new Map<number, string>()
  /** Positions heard of since the last comparison. */
  #fresh: number[] = []
  #newest = 0

  /** The greatest position that the hub has heard of. */
  get newest (): number {
    return this.#newest
  }

  tagAt (position: number): string | undefined {
    return this.#tags.get(position)
  }

  /** Whether this is another transaction than the one known by that number. */
  contradicts ({ position, tag }: Transaction): boolean {
    const known = this.#tags.get(position)
    return known !== undefined && tag !== undefined && known !== tag
  }

  /** Takes note of a transaction that contradicts nothing. */
  learn ({ position, tag }: Transaction): void {
    if (position > this.#newest) this.#newest = position
    if (tag === undefined || this.#tags.has(position)) return
    this.#tags.set(position, tag)
    if (this.#tags.size > TRANSACTIONS_MAX) this.#tags.delete(this.#tags.keys().next().value!)
    this.#fresh.push(position)
    if (this.#fresh.length > COMPARED_MAX) this.#fresh = this.#fresh.filter((_, index) => index % 2 === 1)
  }

  /** Begins a comparison: positions to ask the log for, and a judge of the answer. Call `again` if no answer came. */
  compare (): { positions: number[], isSame: (answer: Newest) => boolean, again: () => void } {
    const newest = this.#newest
    const fresh = this.#fresh
    this.#fresh = []
    const asked = new Map([...fresh, newest].map(position => [position, this.#tags.get(position)]))
    return {
      positions: [...asked.keys()],
      isSame: ({ position, tags }) => position >= newest &&
        [...asked].every(([at, tag]) => tag === undefined || !tags.has(at) || tags.get(at) === tag),
      again: () => { this.#fresh = [...fresh, ...this.#fresh].slice(-COMPARED_MAX) }
    }
  }

  /** Forgets everything, and begins with the log as it is. */
  restart ({ position, tag }: Transaction): void {
    this.#tags.clear()
    this.#fresh = []
    this.#newest = 0
    this.learn({ position, tag })
  }
}
