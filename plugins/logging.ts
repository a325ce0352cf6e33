/** Replaces a token. */
const MASK = '[token]'

/** A run of characters that occur in a JWT (RFC 7515, 3.1), in base64 padding, and in percent-encodings of both; behind `whsec_`, in base64. */
const run = /(?:whsec_[\w%=+/-]+|[\w.%=~-])+/g

/** Where a secret may begin: a JWT, a service key, a webhook's secret, or a character of one of them that is percent-encoded. */
const START = /eyJ|csk_|whsec_|%/

/**
 * Masks whatever looks like a JWT (base64url parts joined by dots, the first of which starts with `eyJ`, that is `{"`), a service key or the
 * secret of a webhook, anywhere in the text, and with characters percent-encoded up to three times. One pass over the runs, so the cost is linear.
 */
export function maskTokens (text: string): string {
  if (!START.test(text)) return text
  return text.replace(run, found => looksLikeToken(decoded(found)) ? found.slice(0, found.search(START)) + MASK : found)
}

function looksLikeToken (text: string): boolean {
  const start = text.indexOf('eyJ')
  return (start !== -1 && text.includes('.', start)) || /csk_[\w-]{8}|whsec_[\w+/-]{8}/.test(text)
}

function decoded (text: string): string {
  for (let times = 0; times < 3 && text.includes('%'); times++) {
    text = text.replace(/%([0-9a-f]{2})/gi, (_whole, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  }
  return text
}

/** A request as it is logged: without its query, which may contain a token or a ticket. */
export function describeRequest ({ method, url, ip }: { method: string, url: string, ip?: string }): Record<string, unknown> {
  return { method, url: maskTokens(url.split('?')[0]!), remoteAddress: ip }
}

/** An error and its causes as they are logged. */
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

/** Serializers for a scope inside another app. */
export const logSerializers = { req: describeRequest, err: describeError }

/** Logger options for the standalone server, where tokens are masked in every line, whoever logs it. */
export const loggerOptions = { serializers: { req: describeRequest }, hooks: { streamWrite: maskTokens } }
