import { createHmac } from 'node:crypto'

/** The key that the servers under test sign with. */
export const SECRET = 'a secret for the fault harness only, 32 bytes'

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token (RFC 7519, HS256) for a user, with a lifetime in seconds: by default longer than a server's clock is ever wrong. */
export function mint (userId: string, seconds = 21_600, claims: Record<string, unknown> = {}): string {
  const head = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: userId, exp: Math.floor(Date.now() / 1000) + seconds, ...claims })}`
  return `${head}.${createHmac('sha256', SECRET).update(head).digest('base64url')}`
}
