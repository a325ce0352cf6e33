import { ChatError } from './errors.js'

/**
 * A JWT, or a function that gives one whenever the client needs it. `fresh` is true when the last one was refused or is
 * about to expire: a cached one won't do then.
 */
export type TokenSource = string | ((request: { fresh: boolean }) => string | Promise<string>)

/** @throws ChatError `TOKEN_FAILED` when the function throws */
export async function resolveToken (source: TokenSource, fresh = false): Promise<string> {
  if (typeof source === 'string') return source
  // Not in the middle of what needs it: the function may call anything.
  await null
  try {
    return await source({ fresh })
  } catch (cause) {
    throw new ChatError('TOKEN_FAILED', 'The token function failed', { cause })
  }
}
