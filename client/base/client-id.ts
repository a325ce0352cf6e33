import { instant } from './clock.js'
import { platform } from './platform.js'

/** A new id for a message: random, 36 characters at most. It need not be secret, only unlike every other of the sender's. */
export function createClientId (): string {
  const { crypto } = platform
  // Pages that aren't secure have no randomUUID, and React Native has no crypto of its own.
  if (typeof crypto?.randomUUID === 'function') return crypto.randomUUID()
  const bytes = new Uint8Array(16)
  if (typeof crypto?.getRandomValues === 'function') crypto.getRandomValues(bytes)
  else for (let i = 0; i < bytes.length; i++) bytes[i] = Math.random() * 256
  const time = instant().replace(/\D/g, '') // two devices with one seed still differ
  return time + Array.from(bytes.subarray(0, 9), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
