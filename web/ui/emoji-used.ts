const USED = 'fastify-sse-chat emoji'
const usual = ['👍', '❤️', '😂', '😮', '😢', '🙏']

function lastUsed (): string[] {
  try {
    const stored = JSON.parse(localStorage.getItem(USED) ?? '[]') as unknown
    return Array.isArray(stored) ? stored.filter((emoji) => typeof emoji === 'string') : []
  } catch {
    return []
  }
}

/** Six emoji at hand: the last used, and the usual ones. */
export const quickEmoji = (): string[] => [...new Set([...lastUsed(), ...usual])].slice(0, 6)

export function rememberEmoji (emoji: string): void {
  try {
    // The six stay where they are if it is among them, so that nobody misses one that has moved.
    if (!quickEmoji().includes(emoji)) localStorage.setItem(USED, JSON.stringify([emoji, ...lastUsed()].slice(0, 6)))
  } catch {}
}
