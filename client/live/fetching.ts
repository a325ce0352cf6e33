import type { StreamEvent } from '../options.js'

/** The most events that are kept during one fetch. If there are more, another fetch follows. */
const HEARD_MAX = 1000

/** Runs one fetch at a time. A request during a fetch starts another one after it, and resolves after both. */
export function createFetch (fetch: () => Promise<void>, settled: () => void): { readonly busy: boolean, ask (): Promise<void> } {
  let running: Promise<void> | null = null
  let again = false

  async function run (): Promise<void> {
    do {
      again = false
      await fetch()
    } while (again)
  }

  return {
    get busy () { return running !== null },
    ask () {
      if (running !== null) {
        again = true
        return running
      }
      running = run().finally(() => {
        running = null
        settled()
      })
      return running
    }
  }
}

/**
 * The events that arrived during a fetch. They may be newer than the response, so they are applied again over it. An event
 * that is older than the response changes nothing.
 */
export function createHeard () {
  let events: StreamEvent[] = []
  let overflown = false
  return {
    add (event: StreamEvent): void {
      if (events.length < HEARD_MAX) events.push(event)
      else overflown = true
    },
    /** Drops the events of a conversation, or of all: they belong to another log. */
    forget (conversationId: string | null): void {
      if (conversationId === null) events = []
      else events = events.filter(([, data]) => !('conversationId' in data) || data.conversationId !== conversationId)
    },
    events: (): readonly StreamEvent[] => events,
    /** @returns whether there were more events than could be kept, so that another fetch must follow */
    clear (): boolean {
      const lost = overflown
      events = []
      overflown = false
      return lost
    }
  }
}
