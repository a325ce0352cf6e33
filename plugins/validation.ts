import { SerializerSelector, type RouteDefinition, type Serializer } from '@fastify/fast-json-stringify-compiler'
import { Ajv, type ValidateFunction } from 'ajv'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { invalid } from '../chat/validation.js'

// The schemas are constants of this package. They are not validated themselves, because compiling the meta-schema takes as long as compiling all
// of them. Each is compiled when it is first used, because compiling all of them takes a fifth of the CPU of a start.
const asIs = new Ajv({ strict: false, discriminator: true, validateSchema: false })
const fromText = new Ajv({ strict: false, discriminator: true, validateSchema: false, coerceTypes: true })
const compileSerializer = SerializerSelector()({}, {})
const serializers = new WeakMap<object, Serializer>()

/**
 * Validates the scope's input and serialises its answers. Types in bodies are not coerced, and unknown fields are ignored. Parameters
 * in URLs are coerced to numbers and booleans. A body must be JSON or empty (clients send `Content-Type: application/json` with a
 * DELETE that has no body).
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
    if (body === '') return done(null, undefined)
    parseJson(request, body as string, (error, value) => {
      done(error !== null && isJson(body as string) ? invalid('body must not name a prototype') : error, value)
    })
  })
}

/** The parser refuses JSON, too, if merging it into an object would change the prototype of all objects. */
function isJson (text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

export default fp(validationPlugin, { name: 'fastify-sse-chat-validation', fastify: '5.x' })
