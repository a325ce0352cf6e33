import type { ChatClient } from '../client.js'
import type { ChatEvents } from '../custom.js'
import type { StreamEvent } from '../options.js'
import { createFetch } from './fetching.js'
import { createVersion } from './own-states.js'

/** Whom the user blocks. Fetched at the start and when the stream missed a change, and kept up to date by events. */
export function createBlocks (client: ChatClient, signal: AbortSignal, changed: () => void) {
  let users: ReadonlySet<string> = new Set()
  const missed = createVersion()
  /** Whether the last fetch failed. */
  let failed = false
  let heard: ChatEvents['blocked'][] = []
  const fetching = createFetch(fetch, () => { heard = [] })

  function apply ({ userId, blocked }: ChatEvents['blocked']): void {
    if (users.has(userId) === blocked) return
    const next = new Set(users)
    if (blocked) next.add(userId)
    else next.delete(userId)
    users = next
  }

  function take (event: ChatEvents['blocked']): void {
    if (fetching.busy) heard.push(event)
    apply(event)
    changed()
  }

  async function fetch (): Promise<void> {
    heard = []
    failed = false
    try {
      users = new Set((await client.listBlocks({ signal })).users.map(({ userId }) => userId))
      for (const event of heard) apply(event) // They may be newer than the response
      changed()
    } catch {
      failed = true // The next connection tries again
    }
  }

  return {
    get users () { return users },
    hear (event: StreamEvent): void {
      const [type, data] = event
      if (missed(event) !== 0 || (failed && type === 'connected')) void fetching.ask()
      else if (type === 'blocked') take(data)
    }
  }
}
