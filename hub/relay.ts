import { randomBytes } from 'node:crypto'
import type { Bus } from './bus.js'
import type { AnyEmission } from './emission.js'

/** What the relay hands to its hub. */
export interface Receiver {
  /** An event of another node. `broadcast` names an event for the followers of several topics, which comes once for each. */
  received(emission: AnyEmission, broadcast: string | undefined): void
  /** The log has an event up to this `seq` of a topic; `joins`: some users follow the topic from there on. */
  announced(topic: string, seq: number, joins: boolean): void
}

/** An event, or (too large for the bus, or for so many) where it stands in the log. */
type Wire = Omit<AnyEmission, 'type' | 'data'> & {
  type?: string
  data?: unknown
  /** Ephemeral events: tells a repetition. */
  key?: string
  /** The event has other topics, too. */
  broadcast?: true
  joining?: true
}

/** To more joining users than this only the place in the log is told. */
const JOINS_MAX = 8
/** Ephemeral events that are remembered, to tell a repetition. */
const REMEMBERED = 10_000

const topicChannel = (topic: string): string => `t:${topic}`
const userChannel = (userId: string): string => `u:${userId}`

/**
 * Between a hub and those of other nodes: one channel for each topic, and one for each user, by which streams of all of
 * a user's topics hear of new ones.
 */
export class Relay {
  readonly #bus: Bus
  readonly #receiver: Receiver
  readonly #origin = randomBytes(6).toString('base64url')
  #count = 0
  #recent = new Set<string>()
  #older = new Set<string>()

  constructor (bus: Bus, receiver: Receiver) {
    this.#bus = bus
    this.#receiver = receiver
    bus.onMessage(message => { this.#receive(message) })
  }

  send (emission: AnyEmission): void {
    const { topics, seq, joins = [] } = emission
    if (seq === undefined) return this.#sendEphemeral(emission)
    const topic = topics[0]!
    const whole = once(() => JSON.stringify(emission))
    const place = once(() => JSON.stringify({ topics, seq, ...(joins.length > 0 ? { joining: true } : {}) } satisfies Wire))
    this.#bus.publish(topicChannel(topic), whole, place)
    for (const userId of joins) this.#bus.publish(userChannel(userId), joins.length > JOINS_MAX ? place : whole, place)
  }

  listenTopic (topic: string): Promise<void> | undefined {
    return this.#bus.listen(topicChannel(topic))
  }

  unlistenTopic (topic: string): void {
    this.#bus.unlisten(topicChannel(topic))
  }

  listenUser (userId: string): Promise<void> | undefined {
    return this.#bus.listen(userChannel(userId))
  }

  unlistenUser (userId: string): void {
    this.#bus.unlisten(userChannel(userId))
  }

  /** To each topic's channel goes that topic alone: somebody's online status may have hundreds. */
  #sendEphemeral (emission: AnyEmission): void {
    const key = `${this.#origin}${(this.#count++).toString(36)}`
    const broadcast = emission.topics.length > 1 ? { broadcast: true as const } : {}
    for (const topic of emission.topics) {
      this.#bus.publish(topicChannel(topic), () => JSON.stringify({ ...emission, topics: [topic], key, ...broadcast } satisfies Wire))
    }
  }

  #receive (message: string): void {
    try {
      const { key, broadcast, joining, ...emission } = JSON.parse(message) as Wire
      const topic = emission.topics[0]!
      if (emission.type === undefined) this.#receiver.announced(topic, emission.seq!, joining === true)
      else if (key === undefined || this.#isNew(`${key} ${topic}`)) this.#receiver.received(emission as AnyEmission, broadcast && key)
    } catch {
      // not one of ours; if it was, the log has it
    }
  }

  #isNew (key: string): boolean {
    if (this.#recent.has(key) || this.#older.has(key)) return false
    if (this.#recent.size >= REMEMBERED) {
      this.#older = this.#recent
      this.#recent = new Set()
    }
    this.#recent.add(key)
    return true
  }
}

function once (make: () => string): () => string {
  let made: string | undefined
  return () => {
    made ??= make()
    return made
  }
}
