import type { ChatEvents } from '../../client/index.js'
import type { Chat } from './chat.js'
import { mayNotify } from './may-notify.js'

/** For a tab in which the user looks at the message to say so, in milliseconds. */
const SEEN_MS = 200
/** How long the other tabs may take to hear of the message, in milliseconds. */
const TABS_MS = 3000

let context: AudioContext | null = null

/** Two short notes. Browsers are silent until the user has pressed something on the page. */
export function playSound (): void {
  context ??= new AudioContext()
  void context.resume().catch(() => {})
  const { currentTime: now, destination } = context
  for (const [at, frequency] of [[0, 659], [0.12, 880]] as const) {
    const tone = context.createOscillator()
    const volume = context.createGain()
    tone.frequency.value = frequency
    volume.gain.setValueAtTime(0, now + at)
    volume.gain.linearRampToValueAtTime(0.12, now + at + 0.01)
    volume.gain.exponentialRampToValueAtTime(0.001, now + at + 0.25)
    tone.connect(volume).connect(destination)
    tone.start(now + at)
    tone.stop(now + at + 0.3)
  }
}

const pause = async (ms: number) => { await new Promise((resolve) => setTimeout(resolve, ms)) }

/** Plays the sound of a message: in one of the user's tabs, and in none if they look at it in one of them. */
export async function playSoundOf (chat: Chat, message: ChatEvents['message'], seen: boolean): Promise<void> {
  if (!seen) await pause(SEEN_MS)
  const play = async () => { if (!seen && await mayNotify(chat, message)) playSound() }
  const { locks } = navigator as { locks?: LockManager } // Not without https
  if (locks === undefined) return await play()
  await locks.request(`fastify-sse-chat sound ${chat.userId} ${message.id}`, { ifAvailable: true }, async (lock) => {
    if (lock === null) return
    await play()
    await pause(TABS_MS)
  })
}
