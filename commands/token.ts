import { decodeJwt, SignJWT } from 'jose'
import { readConfig } from '../config.js'
import { isUserId } from '../schemas/names.js'
import { CommandError, required, UsageError, type Command } from './command.js'

const LIFETIME = /^[1-9]\d{0,5}[smhd]$/

export const token: Command = {
  summary: 'Print a token for a user, signed with JWT_SECRET',
  usage: '--user <id> [--name <name>] [--expires <time>]',
  options: {
    user: { type: 'string', help: 'User id: the `sub` claim' },
    name: { type: 'string', help: 'Display name. Default: the user id' },
    expires: { type: 'string', help: 'Lifetime, such as 90s, 30m, 12h or 7d. Default: 1h' }
  },
  async run (values, env) {
    const userId = required(values, 'user')
    if (!isUserId(userId)) throw new UsageError('--user must be 1 to 128 characters, without controls, and not . or ..')
    const expires = values.expires ?? '1h'
    if (typeof expires !== 'string' || !LIFETIME.test(expires)) throw new UsageError('--expires must be a time such as 90s, 30m, 12h or 7d')
    const text = await signToken(env, { userId, name: values.name as string | undefined, expires })
    return { lines: [text], json: { token: text, userId, expiresAt: new Date(decodeJwt(text).exp! * 1000).toISOString() } }
  }
}

/** @throws {CommandError} where tokens come from an identity provider */
export async function signToken (
  env: NodeJS.ProcessEnv, { userId, name, expires }: { userId: string, name?: string | undefined, expires: string }
): Promise<string> {
  const { secret, issuer, audience } = readConfig(env).chat.jwt!
  if (secret === undefined) throw new CommandError('Tokens come from an identity provider here: with JWT_PUBLIC_KEY or JWT_JWKS_URL, this service signs none')
  const jwt = new SignJWT(name === undefined ? {} : { name }).setProtectedHeader({ alg: 'HS256', typ: 'JWT' }).setSubject(userId).setIssuedAt().setExpirationTime(expires)
  if (issuer !== undefined) jwt.setIssuer(issuer)
  if (audience !== undefined) jwt.setAudience(audience)
  return await jwt.sign(Buffer.from(secret))
}
