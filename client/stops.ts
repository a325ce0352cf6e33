import type { ChatEvents } from './custom.js'

/** A stream that tells of stops: of one conversation, or (null) of all. */
export interface StopSource {
  conversationId: string | null
  isOpen (): boolean
}

type StopEvent = ChatEvents['messageStop']

/** Brings `messageStop` events from the streams of a client to its growing messages. */
export interface Stops {
  /** A stream will call `hear`. */
  add (source: StopSource): void
  hear (event: StopEvent): void
  /** Whether an open stream tells of stops in a conversation. */
  covers (conversationId: string): boolean
  /** Calls back for the events of a message. @returns a function that ends it */
  follow (messageId: string, listener: (event: StopEvent) => void): () => void
}

export function createStops (): Stops {
  let sources: StopSource[] = []
  const listeners = new Map<string, (event: StopEvent) => void>()
  return {
    add (source) {
      sources = [...sources.filter((other) => other.isOpen()), source]
    },
    hear (event) { listeners.get(event.messageId)?.(event) },
    covers: (conversationId) => sources.some((source) =>
      (source.conversationId === null || source.conversationId === conversationId) && source.isOpen()),
    follow (messageId, listener) {
      listeners.set(messageId, listener)
      return () => { listeners.delete(messageId) }
    }
  }
}
