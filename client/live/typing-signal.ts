import { elapsedMs } from '../base/clock.js'
import type { Timer } from '../base/platform.js'

/**
 * The user's own typing: told at once, repeated every half lapse while it goes on, and ended when no key was pressed for
 * most of one.
 */
export function createTypingSignal (tell: (isTyping: boolean) => void, lapseMs: () => number) {
  let active = false
  let toldAt = 0
  let timer: Timer | undefined

  function set (isTyping: boolean): void {
    clearTimeout(timer)
    if (isTyping) {
      timer = setTimeout(set, lapseMs() * 0.8, false)
      if (active && elapsedMs() - toldAt < lapseMs() / 2) return
      toldAt = elapsedMs()
    }
    if (isTyping || active) tell(isTyping)
    active = isTyping
  }

  return {
    set,
    /** The server has ended it by itself: a message was sent. */
    ended (): void {
      clearTimeout(timer)
      active = false
    }
  }
}
