import { createHmac, randomBytes } from 'node:crypto'

/** Secrets and signatures as Standard Webhooks has them (https://www.standardwebhooks.com). */

const PREFIX = 'whsec_'
const BYTES = 32
const BYTES_MIN = 24
const BYTES_MAX = 64

export const newSecret = (): string => PREFIX + randomBytes(BYTES).toString('base64')

/** Whether it is `whsec_` and 24 to 64 bytes in base64. */
export function isSecret (secret: string): boolean {
  if (!/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(secret)) return false
  const { length } = keyOf(secret)
  return length >= BYTES_MIN && length <= BYTES_MAX
}

const keyOf = (secret: string): Buffer => Buffer.from(secret.slice(PREFIX.length), 'base64')

export interface SignedRequest {
  id: string
  /** Epoch milliseconds of this try. */
  at: number
  body: string
  /** Several while one replaces another: a receiver that knows any of them accepts the request. */
  secrets: readonly string[]
}

/** The headers by which a receiver tells that the request is from here, unchanged and recent. */
export function signatureHeaders ({ id, at, body, secrets }: SignedRequest): Record<string, string> {
  const timestamp = String(Math.floor(at / 1000))
  const signatures = secrets.map(secret => `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')}`)
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}
