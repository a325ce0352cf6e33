import { chatError } from '../errors.js'

/** Whom a job is for. */
export interface Place {
  /** Addresses take turns. */
  address: string
  /** Jobs for the same id never run at the same time. */
  userId?: string
  /** Aborted when the caller disconnects. A job that still waits is dropped. */
  signal?: AbortSignal | undefined
}

interface Job extends Place {
  start: () => void
  refuse: (reason: unknown) => void
}

export interface FairQueueOptions {
  /** Jobs that run at the same time, at least 1. */
  workers: number
  /** Jobs that may wait. */
  capacity: number
  /** `Retry-After` of a refused job, in seconds. */
  retryAfter: number
}

/**
 * A bounded queue that is fair to addresses: they take turns, however many jobs each of them has. When the queue is full, the
 * newest job of the address with the most jobs is refused. Two jobs of one address or one id never run at the same time, so
 * that the failures they count are exact.
 */
export class FairQueue {
  readonly #options: FairQueueOptions
  /** Waiting jobs by address, in the order in which the addresses take turns. */
  readonly #lines = new Map<string, Job[]>()
  readonly #busyAddresses = new Set<string>()
  readonly #busyIds = new Set<string>()
  #waiting = 0
  #running = 0

  constructor (options: FairQueueOptions) {
    this.#options = options
  }

  get waiting (): number {
    return this.#waiting
  }

  /** Runs the work when its turn comes. @throws UNAVAILABLE when the queue is full, or the signal's reason */
  async run<T> (place: Place, work: () => Promise<T>): Promise<T> {
    await this.#turn(place)
    try {
      return await work()
    } finally {
      this.#running--
      this.#busyAddresses.delete(place.address)
      this.#moveBack(place.address)
      if (place.userId !== undefined) this.#busyIds.delete(place.userId)
      this.#startNext()
    }
  }

  async #turn ({ address, userId, signal }: Place): Promise<void> {
    signal?.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#remove(job)
        reject(signal?.reason)
      }
      const job: Job = {
        address,
        ...(userId === undefined ? {} : { userId }),
        start: () => {
          signal?.removeEventListener('abort', leave)
          resolve()
        },
        refuse: reason => {
          signal?.removeEventListener('abort', leave)
          reject(reason)
        }
      }
      signal?.addEventListener('abort', leave, { once: true })
      this.#add(job)
      this.#startNext()
      if (this.#waiting > this.#options.capacity) this.#refuseOne()
    })
  }

  #add (job: Job): void {
    const line = this.#lines.get(job.address)
    if (line === undefined) this.#lines.set(job.address, [job])
    else line.push(job)
    this.#waiting++
  }

  #remove (job: Job): void {
    const line = this.#lines.get(job.address)
    const index = line?.indexOf(job) ?? -1
    if (line === undefined || index === -1) return
    line.splice(index, 1)
    if (line.length === 0) this.#lines.delete(job.address)
    this.#waiting--
  }

  #startNext (): void {
    while (this.#running < this.#options.workers) {
      const job = this.#next()
      if (job === undefined) return
      this.#remove(job)
      this.#running++
      this.#busyAddresses.add(job.address)
      if (job.userId !== undefined) this.#busyIds.add(job.userId)
      job.start()
    }
  }

  #next (): Job | undefined {
    for (const [address, line] of this.#lines) {
      if (this.#busyAddresses.has(address)) continue
      const job = line.find(({ userId }) => userId === undefined || !this.#busyIds.has(userId))
      if (job !== undefined) return job
    }
    return undefined
  }

  /** Puts the address last: it has had its turn. */
  #moveBack (address: string): void {
    const line = this.#lines.get(address)
    if (line === undefined) return
    this.#lines.delete(address)
    this.#lines.set(address, line)
  }

  #refuseOne (): void {
    // Among lines of equal length, the one whose address came last.
    const longest = [...this.#lines.values()].reduce((longest, line) => line.length >= longest.length ? line : longest)
    const job = longest.at(-1)!
    this.#remove(job)
    job.refuse(chatError('UNAVAILABLE', { retryAfter: this.#options.retryAfter }))
  }
}
