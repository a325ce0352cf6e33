/** What stands in the place of a token. */
const MASK = '[token]'

/** Characters of a JWT (RFC 7515, 3.1), of its base64 padding, and of their percent-encodings. */
const run = /[\w.%=~-]+/g

/**
 * The text without what looks like a JWT: base64url parts joined by dots, the first of which begins with `eyJ` (`{"`), wherever
 * it stands and however often its characters are percent-encoded. One pass over runs, so that a long text costs no more than its length.
 */
export function maskTokens (text: string): string {
  if (!/eyJ|%/.test(text)) return text
  return text.replace(run, found => looksLikeToken(decoded(found)) ? found.slice(0, found.search(/eyJ|%/)) + MASK : found)
}

function looksLikeToken (text: string): boolean {
  const start = text.indexOf('eyJ')
  return start !== -1 && text.includes('.', start)
}

function decoded (text: string): string {
  for (let times = 0; times < 3 && text.includes('%'); times++) {
    text = text.replace(/%([0-9a-f]{2})/gi, (_whole, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  }
  return text
}

/** A request as the log shows it: without its query, which may hold a token or a ticket. */
export function describeRequest ({ method, url, ip }: { method: string, url: string, ip?: string }): Record<string, unknown> {
  return { method, url: maskTokens(url.split('?')[0]!), remoteAddress: ip }
}

/** An error, and what caused it, as the log shows them. */
export function describeError (error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error === 'string' ? maskTokens(error) : error
  const { code, statusCode } = error as { code?: unknown, statusCode?: unknown }
  return {
    type: error.name,
    message: maskTokens(error.message),
    ...(code === undefined ? {} : { code }),
    ...(statusCode === undefined ? {} : { statusCode }),
    stack: maskTokens(error.stack ?? ''),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) })
  }
}

/** For a scope inside another app. */
export const logSerializers = { req: describeRequest, err: describeError }

/** For a process of its own, where every line that is written is the chat's: a token shows in none, whoever logs it. */
export const loggerOptions = { serializers: { req: describeRequest }, hooks: { streamWrite: maskTokens } }
