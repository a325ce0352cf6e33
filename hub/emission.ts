/** Name of event → shape of its data. The chat's is `ChatEvents`; a host's own hub takes the host's. */
export type Catalogue = object

/** To whom an event goes, and its place in the log. */
export interface Routing {
  /** Followers of any of these topics get it, each stream once. A durable event has exactly one. */
  topics: readonly string[]
  /** Durable events: number in the topic's log, 1, 2, 3 … without a hole. */
  seq?: number
  /** Durable events: number of the transaction that logged it, over all topics, in commit order. */
  position?: number
  /** Durable events: tells that transaction from another one that has the same number in a log that diverged. */
  tag?: string
  /** Ephemeral events of one topic: its newest `seq` then. They overtake nothing, a removal least of all. */
  after?: number
  /** Durable events: the `id:` that a stream of this topic alone shows. */
  id?: string
  /** Streams of this user don't get it, unless they asked for an echo. */
  except?: string
  /** Nor when they did. */
  neverToThem?: boolean
  /** From this event on, streams of these users that follow all of their topics follow this one too. */
  joins?: readonly string[]
  /** After this event, streams of this user don't follow the topic any more. */
  leaves?: string
}

/** One event on its way to its audience. A payload that doesn't fit its name doesn't compile. */
export type Emission<C extends Catalogue> = {
  [T in keyof C & string]: { type: T, data: C[T] }
}[keyof C & string] & Routing

/** A row of the log that this version has no event for. Nothing is shown of it, but its `seq` and its `id` count. */
export type Blank = { type: string, data: null, blank: true } & Routing

/** An event of any catalogue, as the hub's insides handle it. */
export type AnyEmission = { type: string, data: unknown, blank?: true } & Routing

/** An emission of which the compiler knows only that name and data belong together. */
export function emissionOf<C extends Catalogue, T extends keyof C & string> (type: T, data: C[T], routing: Routing): Emission<C> {
  return { type, data, ...routing } as Emission<C>
}
