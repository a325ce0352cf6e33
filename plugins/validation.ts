import { Ajv } from 'ajv'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

// The schemas are constants of ours: each is compiled once, for all apps of the process, and not checked itself: the
// schema of schemas takes as long to compile as all of them.
const asIs = new Ajv({ strict: false, validateSchema: false })
const fromText = new Ajv({ strict: false, validateSchema: false, coerceTypes: true })

/**
 * How the scope's input is read. Bodies are taken as they are: no type coercion, unknown fields are ignored. What comes
 * in a URL is text, so numbers and booleans are read from it. Only JSON is a body, and none at all is one, too
 * (clients send `Content-Type: application/json` with a bare DELETE).
 */
async function validationPlugin (app: FastifyInstance): Promise<void> {
  app.setValidatorCompiler(({ schema, httpPart }) => (httpPart === 'body' ? asIs : fromText).compile(schema as object))

  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parseJson(request, body as string, done)
  })
}

export default fp(validationPlugin, { name: 'fastify-sse-chat-validation', fastify: '5.x' })
