import { randomBytes } from 'node:crypto'
import { broadcastMessages } from './broadcast.js'
import { LocalBus, type Bus } from './bus.js'
import type { AnyEmission } from './emission.js'

/** What the relay hands to its hub. */
export interface Receiver {
  /** An event of another node. `broadcast` names an event for the followers of several topics, which comes in parts. */
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
  /** The event may have other topics, which come by themselves. */
  broadcast?: true
  joining?: true
}

/** Of more joining users than this all nodes are told the place in the log, instead of each user's channel the event. */
const JOINS_MAX = 8
/** Ephemeral events that are remembered, to tell a repetition; twice as many at most. */
export const REMEMBERED = 10_000

/** Every node that follows anything listens on this channel, for what has many topics or users. */
const ALL_NODES = 'all'

const topicChannel = (topic: string): string => `t:${topic}`
const userChannel = (userId: string): string => `u:${userId}`

/**
 * Between a hub and those of other nodes: one channel for each topic; one for each user, by which streams of all of a
 * user's topics hear of new ones; and one for all nodes, for events that would go to many of those. Whoever hears such an
 * event finds its audience among its own followers: it costs the same however many topics and users it has.
 */
export class Relay {
  readonly #bus: Bus
  readonly #receiver: Receiver
  readonly #origin = randomBytes(6).toString('base64url')
  #count = 0
  /** Channels of topics and users that are listened on. */
  #listening = 0
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
    const place = once(() => JSON.stringify({ topics, seq, ...(joins.length > 0 ? { joining: true } : {}) } satisfies Wire))
    const whole = once(() => jsonOf(emission) ?? place())
    this.#bus.publish(topicChannel(topic), whole, place)
    if (joins.length > JOINS_MAX) this.#bus.publish(ALL_NODES, place)
    else for (const userId of joins) this.#bus.publish(userChannel(userId), whole, place)
  }

  listenTopic (topic: string): Promise<void> | undefined {
    return this.#listen(topicChannel(topic))
  }

  unlistenTopic (topic: string): void {
    this.#unlisten(topicChannel(topic))
  }

  listenUser (userId: string): Promise<void> | undefined {
    return this.#listen(userChannel(userId))
  }

  unlistenUser (userId: string): void {
    this.#unlisten(userChannel(userId))
  }

  #listen (channel: string): Promise<void> | undefined {
    if (this.#listening++ === 0) void this.#bus.listen(ALL_NODES)
    return this.#bus.listen(channel)
  }

  #unlisten (channel: string): void {
    this.#bus.unlisten(channel)
    if (--this.#listening === 0) this.#bus.unlisten(ALL_NODES)
  }

  #sendEphemeral (emission: AnyEmission): void {
    const [topic] = emission.topics
    if (topic === undefined) return
    const key = `${this.#origin}${(this.#count++).toString(36)}`
    if (emission.topics.length === 1) {
      this.#bus.publish(topicChannel(topic), () => JSON.stringify({ ...emission, key } satisfies Wire))
    } else if (!(this.#bus instanceof LocalBus)) {
      for (const message of broadcastMessages(emission, key, this.#bus.maxMessageBytes)) this.#bus.publish(ALL_NODES, () => message)
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

/** Undefined where it can't be written as JSON: other nodes read it in the log, where it may be in a better shape. */
function jsonOf (value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

function once (make: () => string): () => string {
  let made: string | undefined
  return () => {
    made ??= make()
    return made
  }
}
