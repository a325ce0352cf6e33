import { instant } from './clock.js'
import { platform } from './platform.js'

/** Makes a random client id for a message, of at most 36 characters. It is unique among the sender's messages, not secret. */
export function createClientId (): string {
  const { crypto } = platform
  // An insecure context has no `randomUUID`, and React Native has no `crypto`.
  if (typeof crypto?.randomUUID === 'function') return crypto.randomUUID()
  const bytes = new Uint8Array(16)
  if (typeof crypto?.getRandomValues === 'function') crypto.getRandomValues(bytes)
  else for (let i = 0; i < bytes.length; i++) bytes[i] = Math.random() * 256
  const time = instant().replace(/\D/g, '') // Two devices with the same random seed still differ
  return time + Array.from(bytes.subarray(0, 9), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
