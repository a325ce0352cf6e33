import type { Call } from '../load/caller.js'
import type { Sink } from '../load/sink.js'

/** An open stream of the load's. */
export interface OpenStream { close(): void, readonly closed: boolean }

/** A server that is measured, in a process of its own. */
export interface System {
  readonly name: string
  /** Whose CPU and memory are read. */
  readonly pid: number
  readonly port: number
  stop(): Promise<void>
}

/** A system in which one event goes to many. */
export interface Broadcaster extends System {
  /** Whether numbers are promised to be in order. */
  readonly ordered: boolean
  /** Makes the room ready for so many members. */
  prepare(members: number): Promise<void>
  /** Opens a member's stream of the room. */
  open(member: number, sink: Sink, connected: () => void): OpenStream
  /** The call by which a member publishes. */
  post(member: number, text: string): Call
  userId(member: number): string
  /** Whether a sender's own streams are spared the sender's messages. */
  readonly sparesSenders: boolean
  /** Asserts, after a crash, that everything that was answered is kept. */
  verify?(answers: readonly string[]): Promise<void>
}
