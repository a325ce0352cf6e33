import { setTimeout as sleep } from 'node:timers/promises'
import type { Blank, Catalogue, Emission } from '../../hub/emission.js'
import type { Newest, Transaction } from '../../hub/known-log.js'
import type { Log } from '../../hub/log.js'

/** A log that several hubs share, like the database of several nodes. Each append is a transaction. */
export class MemoryLog<C extends Catalogue> implements Log<C> {
  readonly #topics = new Map<string, Array<Emission<C> | Blank>>()
  readonly #all: Array<Emission<C> | Blank> = []
  #tags = 0
  readonly #pruned = new Map<string, number>()
  /** How long reading takes, in milliseconds. */
  delayMs = 0

  /** Numbers the event, and keeps it. */
  append (emission: Blank): Blank
  append (emission: Emission<C>): Emission<C>
  append (emission: Emission<C> | Blank): Emission<C> | Blank {
    const topic = emission.topics[0]!
    const events = this.#topics.get(topic) ?? []
    this.#topics.set(topic, events)
    const numbered = { ...emission, seq: events.length + 1, position: this.#all.length + 1, tag: `tag${++this.#tags}`, id: `${topic}.${events.length + 1}` }
    events.push(numbered)
    this.#all.push(numbered)
    return numbered
  }

  /** Deletes a topic's events up to this one. */
  prune (topic: string, seq: number): void {
    this.#pruned.set(topic, seq)
  }

  /** Loses its last events, like a replica that takes over without them. */
  lose (count: number): void {
    for (const { topics } of this.#all.splice(-count)) this.#topics.get(topics[0]!)!.pop()
  }

  newest (topic: string): number {
    return this.#topics.get(topic)?.length ?? 0
  }

  async read (topic: string, after: number, limit: number): Promise<Array<Emission<C> | Blank>> {
    const from = Math.max(after, this.#pruned.get(topic) ?? 0)
    const page = this.#topics.get(topic)?.slice(from, from + limit) ?? []
    await sleep(this.delayMs)
    return page
  }

  async look (positions: readonly number[]): Promise<Newest> {
    const tagAt = (position: number): string | undefined => this.#all[position - 1]?.tag
    const tags = new Map<number, string>()
    for (const position of positions) if (tagAt(position) !== undefined) tags.set(position, tagAt(position)!)
    return { position: this.#all.length, tag: tagAt(this.#all.length), tags }
  }

  async changedSince (position: number): Promise<Array<{ topic: string, seq: number }>> {
    const topics = new Set(this.#all.slice(position).map(({ topics }) => topics[0]!))
    return [...topics].map(topic => ({ topic, seq: this.newest(topic) }))
  }

  async joinedSince (position: number): Promise<Array<{ topic: string, userId: string, seq: number }>> {
    return this.#all.slice(position).flatMap(({ topics, joins, seq }) => (joins ?? []).map(userId => ({ topic: topics[0]!, userId, seq: seq! })))
  }

  cursor ({ position, tag }: Transaction, shown: Transaction): string {
    return shown.position > position ? `all.${position}.${shown.position}.${shown.tag}` : `all.${position}.${tag}`
  }
}
