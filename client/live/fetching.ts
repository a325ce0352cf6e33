import type { StreamEvent } from '../options.js'

/** Events kept for one fetch. More than that are asked for instead. */
const HEARD_MAX = 1000

/** Makes one fetch at a time: whoever asks during one gets another after it, and waits for both. */
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
 * What was heard while something was fetched. It may be newer than what the fetch brought, so it is applied once more over
 * that; where it isn't, it changes nothing.
 */
export function createHeard () {
  let events: StreamEvent[] = []
  let overflown = false
  return {
    add (event: StreamEvent): void {
      if (events.length < HEARD_MAX) events.push(event)
      else overflown = true
    },
    /** Another log begins: what was heard of the last one is void. */
    forget (conversationId: string | null): void {
      if (conversationId === null) events = []
      else events = events.filter(([, data]) => !('conversationId' in data) || data.conversationId !== conversationId)
    },
    events: (): readonly StreamEvent[] => events,
    /** @returns whether more was heard than could be kept: it must be fetched once more */
    clear (): boolean {
      const lost = overflown
      events = []
      overflown = false
      return lost
    }
  }
}
