import { ChatError } from './errors.js'

/**
 * A JWT, or a function that returns one whenever the client needs it. `fresh` is true if the last token was rejected or is
 * about to expire: the function must not return a cached one then.
 */
export type TokenSource = string | ((request: { fresh: boolean }) => string | Promise<string>)

/** The current token. @throws ChatError `TOKEN_FAILED` if the function throws */
export async function resolveToken (source: TokenSource, fresh = false): Promise<string> {
  if (typeof source === 'string') return source
  // Run the function after the caller's own code has finished: it may call any method of the client.
  await null
  try {
    return await source({ fresh })
  } catch (cause) {
    throw new ChatError('TOKEN_FAILED', 'The token function failed', { cause })
  }
}
