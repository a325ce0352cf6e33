import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { errorCatalogue, ErrorAnswer } from '../schemas/errors.js'
import { eventCatalogue } from '../schemas/events.js'

/** Serves the OpenAPI document of the scope's routes, generated from the schemas that validate them, with the event catalogue. */
async function docsPlugin (app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'fastify-sse-chat', description: 'Realtime chat: REST in, Server-Sent Events out', version: '1' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
      security: [{ token: [] }]
    }
  })

  let document: object | undefined
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => {
    const codes = Object.fromEntries(Object.entries(errorCatalogue).map(([code, [status, message]]) => [code, { status, message }]))
    document ??= {
      ...app.swagger(),
      'x-events': eventCatalogue,
      'x-errors': { answer: ErrorAnswer, codes }
    }
    return document
  })
}

export default fp(docsPlugin, { name: 'fastify-sse-chat-docs', fastify: '5.x' })
