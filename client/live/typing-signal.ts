import { elapsedMs } from '../base/clock.js'
import type { Timer } from '../base/platform.js'

/**
 * Sends the user's own typing: at once, then every half lapse while it continues. It ends when no key was pressed for 80 %
 * of a lapse.
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
    /** Typing ended without a call: the server ends it when a message is sent. */
    ended (): void {
      clearTimeout(timer)
      active = false
    }
  }
}
