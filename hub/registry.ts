import type { AnyEmission } from './emission.js'
import type { Relay } from './relay.js'
import type { Stream } from './stream.js'
import { Topic } from './topic.js'

export interface RegistryOwner {
  /** A channel of the bus is being joined; messages arrive once this resolves. Undefined: they do already. */
  listening(joined: Promise<void> | undefined): void
  /** Whether a topic that nobody follows can be forgotten. */
  isDone(topic: Topic): boolean
  forgotten(topic: Topic): void
}

/** What is sent to a user's own streams while another one of theirs is being opened. */
export interface Expected {
  readonly emissions: readonly AnyEmission[]
  /** Call it when the stream has started, or never will. */
  end(): void
}

/** The open streams and the topics that they follow. Listens on the bus for exactly those topics and users. */
export class Registry {
  readonly #relay: Relay
  readonly #owner: RegistryOwner
  readonly #streams = new Map<string, Stream>()
  /** All streams of each user. */
  readonly #byUser = new Map<string, Set<Stream>>()
  /** Those among them that follow all topics of their user. */
  readonly #allByUser = new Map<string, Set<Stream>>()
  readonly #topics = new Map<string, Topic>()
  /** For users who are opening streams: what each of these streams would miss. */
  readonly #expected = new Map<string, Set<AnyEmission[]>>()

  constructor (relay: Relay, owner: RegistryOwner) {
    this.#relay = relay
    this.#owner = owner
  }

  get streamCount (): number {
    return this.#streams.size
  }

  get topicCount (): number {
    return this.#topics.size
  }

  streams (): Iterable<Stream> {
    return this.#streams.values()
  }

  stream (id: string): Stream | undefined {
    return this.#streams.get(id)
  }

  /** The user's streams, whatever they follow. */
  everyStreamOf (userId: string): Iterable<Stream> {
    return this.#byUser.get(userId) ?? []
  }

  /** The user's streams of all topics. */
  streamsOf (userId: string): Iterable<Stream> {
    return this.#allByUser.get(userId) ?? []
  }

  hasStreamsOf (userId: string): boolean {
    return this.#allByUser.has(userId)
  }

  topic (name: string): Topic | undefined {
    return this.#topics.get(name)
  }

  /** Whether the topic is the one of that name, and not one that was forgotten meanwhile. */
  holds (topic: Topic): boolean {
    return this.#topics.get(topic.name) === topic
  }

  /** Collects what is sent to a user's own streams from here on. */
  expect (userId: string): Expected {
    const emissions: AnyEmission[] = []
    const all = this.#expected.get(userId) ?? new Set()
    this.#expected.set(userId, all.add(emissions))
    const end = (): void => {
      if (all.delete(emissions) && all.size === 0) this.#expected.delete(userId)
    }
    return { emissions, end }
  }

  /** Keeps an event for the user's streams that are being opened. */
  keep (userId: string, emission: AnyEmission): void {
    for (const emissions of this.#expected.get(userId) ?? []) emissions.push(emission)
  }

  addStream (stream: Stream): void {
    this.#streams.set(stream.id, stream)
    addTo(this.#byUser, stream)
    if (stream.all && addTo(this.#allByUser, stream) === 1) this.#owner.listening(this.#relay.listenUser(stream.userId))
  }

  /** Forgets a stream that is closed, and the topics that only it followed. */
  removeStream (stream: Stream): void {
    this.#streams.delete(stream.id)
    for (const name of stream.topics) {
      const topic = this.#topics.get(name)
      if (topic !== undefined) this.#unfollow(stream, topic)
    }
    this.#removeFromUser(stream)
  }

  addTopic (name: string, head: number): Topic {
    const topic = new Topic(name, head)
    this.#topics.set(name, topic)
    this.#owner.listening(this.#relay.listenTopic(name))
    return topic
  }

  /** Ends a stream's following of a topic that its user has left. */
  leave (stream: Stream, topic: Topic): void {
    stream.rememberLeft(topic.name, topic.head)
    this.#unfollow(stream, topic)
  }

  /** Ends the following of a topic: streams of all topics are sent its last event, `end` is called for the others. */
  dissolve (topic: Topic, { type, data }: AnyEmission, end: (stream: Stream) => void): void {
    for (const stream of topic.followers()) {
      if (stream.all) {
        stream.send(type, data)
        this.leave(stream, topic)
      } else {
        end(stream)
      }
    }
    topic.stop()
    this.release(topic)
  }

  /** Forgets a topic if nobody follows it. */
  release (topic: Topic): void {
    if (topic.followed || !this.holds(topic) || !this.#owner.isDone(topic)) return
    this.#topics.delete(topic.name)
    this.#owner.forgotten(topic)
    this.#relay.unlistenTopic(topic.name)
  }

  /** Forgets all topics. The streams stay open, follow nothing, and are not let in by joins any more. */
  detachAll (): Stream[] {
    for (const name of this.#topics.keys()) this.#relay.unlistenTopic(name)
    this.#topics.clear()
    const streams = [...this.#streams.values()]
    for (const stream of streams) {
      stream.detach()
      this.#removeFromUser(stream)
    }
    return streams
  }

  #unfollow (stream: Stream, topic: Topic): void {
    topic.unfollow(stream)
    this.release(topic)
  }

  #removeFromUser (stream: Stream): void {
    removeFrom(this.#byUser, stream)
    if (removeFrom(this.#allByUser, stream) === 0) this.#relay.unlistenUser(stream.userId)
  }
}

/** @returns how many streams the user has there now */
function addTo (byUser: Map<string, Set<Stream>>, stream: Stream): number {
  const set = byUser.get(stream.userId)
  if (set !== undefined) return set.add(stream).size
  byUser.set(stream.userId, new Set([stream]))
  return 1
}

/** @returns how many streams the user has there still; undefined if the stream was not there */
function removeFrom (byUser: Map<string, Set<Stream>>, stream: Stream): number | undefined {
  const set = byUser.get(stream.userId)
  if (set?.delete(stream) !== true) return undefined
  if (set.size === 0) byUser.delete(stream.userId)
  return set.size
}
