import type { Follower } from './follower.js'
import type { FollowerEvent, Renderer } from './rendering.js'

export type OnEvent = (event: FollowerEvent) => void | Promise<void>

/** Hands each event to the host, one at a time, until the host's function has succeeded. */
export const hostFollower = (renderer: Renderer, onEvent: OnEvent, onError: (error: unknown) => void): Follower => ({
  name: 'onEvent',
  from: 'now',
  async follow (entries, lead) {
    const eventAt = renderer.ahead(entries)
    for (const [index, entry] of entries.entries()) {
      const event = await eventAt(index)
      if (lead.signal.aborted) return
      try {
        if (event !== undefined) await onEvent(event)
      } catch (error) {
        onError(error)
        throw error
      }
      lead.passed(entry)
    }
  }
})
