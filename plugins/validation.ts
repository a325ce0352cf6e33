import { SerializerSelector, type RouteDefinition, type Serializer } from '@fastify/fast-json-stringify-compiler'
import { Ajv, type ValidateFunction } from 'ajv'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

// The schemas are constants of ours: each is compiled once, for all apps of the process, and not checked itself: the
// schema of schemas takes as long to compile as all of them. And it is compiled when it is first used: for all of them
// it takes a fifth of a start's CPU.
const asIs = new Ajv({ strict: false, validateSchema: false })
const fromText = new Ajv({ strict: false, validateSchema: false, coerceTypes: true })
const compileSerializer = SerializerSelector()({}, {})
const serializers = new WeakMap<object, Serializer>()

/**
 * How the scope's input is read, and its answers are written. Bodies are taken as they are: no type coercion, unknown fields
 * are ignored. What comes in a URL is text, so numbers and booleans are read from it. Only JSON is a body, and none at all
 * is one, too (clients send `Content-Type: application/json` with a bare DELETE).
 */
async function validationPlugin (app: FastifyInstance): Promise<void> {
  app.setValidatorCompiler(({ schema, httpPart }) => {
    let validate: ValidateFunction | undefined
    return input => {
      validate ??= (httpPart === 'body' ? asIs : fromText).compile(schema as object)
      return validate(input) ? { value: input } : { error: validate.errors as never }
    }
  })

  app.setSerializerCompiler(route => {
    const schema = route.schema as object
    return answer => {
      let serialize = serializers.get(schema)
      if (serialize === undefined) serializers.set(schema, serialize = compileSerializer(route as RouteDefinition))
      return serialize(answer)
    }
  })

  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parseJson(request, body as string, done)
  })
}

export default fp(validationPlugin, { name: 'fastify-sse-chat-validation', fastify: '5.x' })
