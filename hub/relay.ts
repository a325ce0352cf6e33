import { randomBytes } from 'node:crypto'
import { broadcastMessages } from './broadcast.js'
import { LocalBus, type Bus } from './bus.js'
import { isOfOneTopic, type AnyEmission } from './emission.js'

/** What a relay calls for messages of other nodes. */
export interface Receiver {
  /** An event. `broadcast` identifies one for the followers of several topics, which may arrive in parts. */
  received(emission: AnyEmission, broadcast: string | undefined): void
  /** The log has events of a topic up to this `seq`. `joins`: users join the topic by that event. */
  announced(topic: string, seq: number, joins: boolean): void
}

/** An event, or, where it is too large for the bus or has too many users, its number in the log. */
type Wire = Omit<AnyEmission, 'type' | 'data'> & {
  type?: string
  data?: unknown
  /** Ephemeral events: identifies the event, to drop a repetition. */
  key?: string
  /** The event may have further topics, which arrive in other messages. */
  broadcast?: true
  joining?: true
}

/** If more users than this join by an event, its number goes to all nodes, instead of the event to each user's channel. */
const JOINS_MAX = 8
/** Ephemeral events that are remembered to drop repetitions; at most twice as many. */
export const REMEMBERED = 10_000

/** Channel of every node that follows anything, for events with many topics or users. */
const ALL_NODES = 'all'

const topicChannel = (topic: string): string => `t:${topic}`
const userChannel = (userId: string): string => `u:${userId}`

/**
 * Connects a hub to those of other nodes. There is a channel for each topic, a channel for each user, by which streams of all
 * topics hear of new topics, and one channel for all nodes, for events that would go to many channels. Each node finds the
 * audience of such an event among its own streams, so its cost does not depend on how many topics and users it has.
 */
export class Relay {
  readonly #bus: Bus
  readonly #receiver: Receiver
  readonly #origin = randomBytes(6).toString('base64url')
  #count = 0
  /** Number of channels of topics and users that this node listens on. */
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
    const number = once(() => JSON.stringify({ topics, seq, ...(joins.length > 0 ? { joining: true } : {}) } satisfies Wire))
    const whole = once(() => jsonOf(emission) ?? number())
    this.#bus.publish(topicChannel(topic), whole, number)
    if (joins.length > JOINS_MAX) this.#bus.publish(ALL_NODES, number)
    else for (const userId of joins) this.#bus.publish(userChannel(userId), whole, number)
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
    const { topics, users, within } = emission
    const [topic = within] = topics
    if (topic === undefined && users === undefined) return
    const key = `${this.#origin}${(this.#count++).toString(36)}`
    if (topic !== undefined && (within !== undefined || isOfOneTopic(emission))) {
      this.#bus.publish(topicChannel(topic), () => JSON.stringify({ ...emission, key } satisfies Wire))
    } else if (!(this.#bus instanceof LocalBus)) {
      for (const message of broadcastMessages(emission, key, this.#bus.maxMessageBytes)) this.#bus.publish(ALL_NODES, () => message)
    }
  }

  #receive (message: string): void {
    try {
      const { key, broadcast, joining, ...emission } = JSON.parse(message) as Wire
      const topic = emission.topics[0] ?? ''
      if (emission.type === undefined) this.#receiver.announced(topic, emission.seq!, joining === true)
      else if (key === undefined || this.#isNew(`${key} ${topic}`)) this.#receiver.received(emission as AnyEmission, broadcast && key)
    } catch {
      // Not a message of a relay. If it was one, the log has its event
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

/** Undefined where the value cannot be written as JSON: other nodes read the event in the log, which may have it in another form. */
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
