import { errorCatalogue } from '../../schemas/errors.js'
import { tour } from './tour.js'

/** Of a URL that stands in a command line. */
const origin = /^[a-z]+:\/\/[\w.:[\]-]+$/

/**
 * The API in plain text, for language models and people at a terminal.
 * @param from where the text was asked for, such as `http://localhost:3000`
 */
export function llmsText ({ from, prefix, hasAccounts }: { from: string, prefix: string, hasAccounts: boolean }): string {
  const base = `${origin.test(from) ? from : 'http://localhost:3000'}${prefix}`
  const errors = Object.entries(errorCatalogue).map(([code, [status, message]]) => `${status} ${code}: ${message}`)
  return `# fastify-sse-chat

> Realtime chat: REST in, Server-Sent Events out. Ids, texts and times are JSON; clients ignore fields and events that they do not know.

- ${base}/api/openapi.json: all calls, with their schemas, examples and refusals
- ${base}/api/asyncapi.json: all events, on the stream and as webhooks
- ${base}/docs: the calls, to read and to try

## A tour with curl
${hasAccounts ? '' : '\nThis service has no accounts: instead of the first block, set alice and bob to tokens of two users, as this service takes them.\n'}
${tour.replaceAll('localhost:3000', base)}
## Errors

Each refusal is { statusCode, code, error, message }. The code is stable. 429 and 503 say in Retry-After how many seconds to wait.

${errors.join('\n')}
`
}
