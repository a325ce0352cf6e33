import type { ChatEvents } from '../../client/index.js'
import type { Chat } from './chat.js'
import { mayNotify } from './may-notify.js'
import { isLooking, mayTell } from './told.js'

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

/** Plays the sound of a message: in one of the user's tabs, and in none if they look at it in one of them. */
export async function playSoundOf (chat: Chat, message: ChatEvents['message']): Promise<void> {
  if (await isLooking(chat, message.conversationId) || !await mayNotify(chat, message)) return
  if (await mayTell(chat, 'sound', message.id)) playSound()
}
