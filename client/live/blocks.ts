import type { ChatClient } from '../client.js'
import type { ChatEvents } from '../custom.js'
import type { StreamEvent } from '../options.js'
import { createFetch } from './fetching.js'

/** Whom the user blocks. Fetched at the start and when the stream missed a change, and kept up to date by events. */
export function createBlocks (client: ChatClient, signal: AbortSignal, changed: () => void) {
  let users: ReadonlySet<string> = new Set()
  /** Number of changes of the user's private state that are known; -1 if none is. */
  let version = -1
  let heard: ChatEvents['blocked'][] = []
  const fetching = createFetch(fetch, () => { heard = [] })

  function apply ({ userId, blocked }: ChatEvents['blocked']): void {
    if (users.has(userId) === blocked) return
    const next = new Set(users)
    if (blocked) next.add(userId)
    else next.delete(userId)
    users = next
  }

  async function fetch (): Promise<void> {
    heard = []
    try {
      users = new Set((await client.listBlocks({ signal })).users.map(({ userId }) => userId))
      for (const event of heard) apply(event) // They may be newer than the response
      changed()
    } catch {
      version = -1 // The next connection tries again
    }
  }

  return {
    get users () { return users },
    hear ([type, data]: StreamEvent): void {
      if (type === 'connected' && data.userVersion !== version) void fetching.ask()
      if ('userVersion' in data) version = data.userVersion
      if (type === 'conversationDeleted') version++
      if (type !== 'blocked') return
      if (fetching.busy) heard.push(data)
      apply(data)
      changed()
    }
  }
}
