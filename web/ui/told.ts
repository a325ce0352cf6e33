import { useEffect } from 'preact/hooks'
import type { Chat } from './chat.js'
import { useChat } from './context.js'
import { useActive } from './hooks.js'
import { keyOf, read, write } from './kept.js'

/** How many messages are known to have been told. */
const REMEMBERED = 100

const { locks } = navigator as { locks?: LockManager } // Not without https
const key = (what: string, { client, userId }: Chat) => keyOf(what, userId, client.options.baseUrl ?? '/')

/** Lets the user's other tabs know that the user looks at this one, and at which conversation: by a lock, which ends with the tab. */
export function useLooking (conversationId: string | null): void {
  const chat = useChat()
  const active = useActive()
  useEffect(() => {
    if (!active) return
    let leave = () => {}
    const left = new Promise<void>((resolve) => { leave = resolve })
    locks?.request(`${key('looks', chat)} ${conversationId}`, { mode: 'shared' }, async () => { await left }).catch(() => {})
    return leave
  }, [chat, active, conversationId])
}

/** Whether the user looks at one of their tabs, or at a conversation in one of them. */
export async function isLooking (chat: Chat, conversationId?: string): Promise<boolean> {
  const { held = [] } = await locks?.query() ?? {}
  const looks = key('looks', chat)
  return held.some(({ name = '' }) => conversationId === undefined ? name.startsWith(`${looks} `) : name === `${looks} ${conversationId}`)
}

/** Whether a message is still to be told in some way. Only one of the user's tabs gets this answer. */
export async function mayTell (chat: Chat, way: 'sound' | 'notification', messageId: string): Promise<boolean> {
  const told = key(`told by ${way}`, chat)
  const claim = () => {
    const ids = (read(told) ?? '').split(' ')
    if (ids.includes(messageId)) return false
    write(told, [...ids, messageId].slice(-REMEMBERED).join(' '))
    return true
  }
  return locks === undefined ? claim() : await locks.request(told, claim)
}
