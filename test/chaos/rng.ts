import { createHash } from 'node:crypto'

/** Random numbers that a seed repeats (sfc32). */
export class Rng {
  readonly #seed: string
  readonly #state: Int32Array

  constructor (seed: string | number) {
    this.#seed = String(seed)
    const digest = createHash('sha256').update(this.#seed).digest()
    this.#state = Int32Array.from([0, 4, 8, 12], offset => digest.readInt32LE(offset))
  }

  /** A generator of its own for an actor: what one draws does not change what another gets. */
  fork (name: string): Rng {
    return new Rng(`${this.#seed}/${name}`)
  }

  /** From 0 (included) to 1 (excluded). */
  next (): number {
    let [a, b, c, d] = this.#state as unknown as [number, number, number, number]
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t | 0
    this.#state.set([a, b, c, d])
    return (t >>> 0) / 2 ** 32
  }

  between (min: number, max: number): number {
    return min + this.next() * (max - min)
  }

  /** From `min` to `max`, both included. */
  integer (min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1))
  }

  chance (probability: number): boolean {
    return this.next() < probability
  }

  /** The time until an event that happens at random, once in `mean`. */
  exponential (mean: number): number {
    return -Math.log(1 - this.next()) * mean
  }

  pick<T> (list: readonly T[]): T {
    if (list.length === 0) throw new Error('nothing to pick from')
    return list[this.integer(0, list.length - 1)]!
  }

  /** One of the keys, by weight. */
  weighted<K extends string> (weights: Record<K, number>): K {
    const entries = Object.entries(weights) as Array<[K, number]>
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [key, weight] of entries) if ((left -= weight) < 0) return key
    return entries[0]![0]
  }
}
