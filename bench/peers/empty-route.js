// The floor under any POST of a Fastify app: JWT verification (cached) and validation of the body, and no work.

import { buildApp, listen } from './app.js'

const app = await buildApp()
app.post('/empty', {
  onRequest: async request => { await request.jwtVerify() },
  schema: {
    body: {
      type: 'object',
      required: ['conversationId', 'text'],
      properties: {
        conversationId: { type: 'string', minLength: 1, maxLength: 300 },
        text: { type: 'string', minLength: 1, maxLength: 4000 },
        type: { type: 'string', pattern: '^[a-z][a-z0-9_-]{0,31}$' },
        clientId: { type: ['string', 'null'], minLength: 1, maxLength: 64 }
      }
    }
  }
}, async (_request, reply) => await reply.code(201).send({ ok: true }))
await listen(app, () => {})
