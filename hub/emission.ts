/** Maps the names of events to the types of their data. The chat's is `ChatEvents`; a host's own hub takes the host's. */
export type Catalogue = object

/** Whom an event goes to, and its numbers in the log. */
export interface Routing {
  /** Streams that follow any of these topics get it, once each. A durable event has exactly one. */
  topics: readonly string[]
  /** Ephemeral events: the topic ends. Its streams end with `removed`; streams of all topics get the event, and go on without the topic. */
  ends?: true
  /** Ephemeral events: all streams of these users get it too, whatever they follow. */
  users?: readonly string[]
  /** Ephemeral events without topics: of those streams, only the ones that follow this topic. */
  within?: string
  /** Ephemeral events: of the streams that follow the topics, only those of this user get it. */
  only?: string
  /** Ephemeral events: of the streams that follow the topics, those of these users do not get it (see `hiddenFrom`). */
  hidden?: string
  /** Durable events: number in the topic's log, 1, 2, 3 … without a gap. */
  seq?: number
  /** Durable events: number of the transaction that logged it, in commit order over all topics. */
  position?: number
  /** Durable events: tells that transaction from one with the same number in a log that has diverged. */
  tag?: string
  /** Ephemeral events of one topic: its newest `seq` at that time. The event does not overtake it, since that may be a removal. */
  after?: number
  /** Durable events: the event id on a stream of this topic. */
  id?: string
  /**
   * The event tells of the growth of this, such as of a text. Ephemeral events of it may be joined, and a stream that has missed some is
   * told what grows in the topic, as it is (see `Log`).
   */
  grows?: string
  /** Streams of this user do not get it, unless they asked for an echo. */
  except?: string
  /** Nor if they did. */
  neverToThem?: boolean
  /** From this event on, streams of these users that follow all topics follow this one. */
  joins?: readonly string[]
  /** After this event, streams of this user no longer follow the topic. */
  leaves?: string
}

/** An event on its way to its audience. Data that does not fit the name does not compile. */
export type Emission<C extends Catalogue> = {
  [T in keyof C & string]: { type: T, data: C[T] }
}[keyof C & string] & Routing

/** A row of the log that this version has no event for. Nothing is shown of it, but its `seq` and its `id` count. */
export type Blank = { type: string, data: null, blank: true } & Routing

/** An event of any catalogue, as it is handled inside the hub. */
export type AnyEmission = { type: string, data: unknown, blank?: true } & Routing

/** Whether it is for the followers of one topic, and goes in line with what that topic has sent. */
export const isOfOneTopic = ({ topics, users, only, hidden }: AnyEmission): boolean =>
  topics.length === 1 && users === undefined && only === undefined && hidden === undefined

/** Makes an emission where the compiler knows only that name and data belong together. */
export function emissionOf<C extends Catalogue, T extends keyof C & string> (type: T, data: C[T], routing: Routing): Emission<C> {
  return { type, data, ...routing } as Emission<C>
}

const isText = (value: unknown): boolean => value === undefined || typeof value === 'string'
const isNumber = (value: unknown): boolean => value === undefined || Number.isSafeInteger(value)
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(each => typeof each === 'string')

/**
 * A host may emit anything. What is wrong here would only show later, in the turn that sends it, where nobody catches it.
 * @throws TypeError that names what is wrong
 */
export function assertRoutable (emission: AnyEmission): void {
  if (typeof emission !== 'object' || emission === null) throw new TypeError('An event must be an object')
  const { type, topics, within, seq, position, tag, after, id, grows, except, only, hidden, joins, leaves } = emission
  if (typeof type !== 'string') throw new TypeError('The type of an event must be a string')
  if (!isTexts(topics)) throw new TypeError('The topics of an event must be an array of strings')
  for (const [name, value] of Object.entries({ seq, position, after })) {
    if (!isNumber(value)) throw new TypeError(`The ${name} of an event must be an integer`)
  }
  for (const [name, value] of Object.entries({ within, tag, id, grows, except, only, hidden, leaves })) {
    if (!isText(value)) throw new TypeError(`The ${name} of an event must be a string`)
  }
  if (joins !== undefined && !isTexts(joins)) throw new TypeError('The joins of an event must be an array of strings')
}

/** What is reported of an event that cannot be sent, whatever it is. */
export function unsendable (emission: unknown, cause: unknown): Error {
  const { type, topics } = (emission ?? {}) as Partial<AnyEmission>
  return new Error(`The event ${String(type)} of ${Array.isArray(topics) ? topics.map(String).join(', ') : 'no topic'} can't be sent`, { cause })
}
