// The floor under any request of a Fastify app: JWT verification (cached) and validation of the input, and no work.

import { buildApp, listen } from './app.js'

const answers = {}

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
app.get('/empty', {
  onRequest: async request => { await request.jwtVerify() },
  schema: { querystring: { type: 'object', required: ['bytes'], properties: { bytes: { type: 'integer', minimum: 0, maximum: 1_000_000 } } } }
}, async ({ query: { bytes } }) => {
  answers[bytes] ??= 'x'.repeat(bytes)
  return { text: answers[bytes] }
})
await listen(app, () => {})
