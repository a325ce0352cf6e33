// The publish call that all peers share: the same request as the chat's, authenticated and validated, and an event like
// the chat's; no database behind it. `broadcast(message)` is all that differs.

import { randomUUID } from 'node:crypto'
import fastifyJwt from '@fastify/jwt'
import Fastify from 'fastify'

const body = {
  type: 'object',
  required: ['conversationId', 'text'],
  properties: {
    conversationId: { type: 'string', minLength: 1, maxLength: 300 },
    text: { type: 'string', minLength: 1, maxLength: 4000 },
    type: { type: 'string', pattern: '^[a-z][a-z0-9_-]{0,31}$' },
    clientId: { type: ['string', 'null'], minLength: 1, maxLength: 64 }
  }
}

/** @param {import('fastify').FastifyServerOptions} [options] */
export async function buildApp (options = {}) {
  const app = Fastify({ logger: { level: 'warn' }, ...options })
  await app.register(fastifyJwt, { secret: /** @type {string} */ (process.env.JWT_SECRET), verify: { algorithms: ['HS256'], cache: 20_000 } })
  return app
}

/**
 * @param {import('fastify').FastifyInstance} app
 * @param {(message: object) => unknown} broadcast
 */
export async function listen (app, broadcast) {
  let seq = 0
  app.post('/api/chat/messages', { onRequest: async request => { await request.jwtVerify() }, schema: { body } }, async (request, reply) => {
    const { conversationId, text } = /** @type {{ conversationId: string, text: string }} */ (request.body)
    const { sub } = /** @type {{ sub: string }} */ (request.user)
    const id = randomUUID()
    seq++
    const message = {
      id,
      messageId: id,
      conversationId,
      seq,
      clientId: null,
      senderId: sub,
      text,
      type: 'text',
      status: 'sent',
      createdAt: new Date().toISOString(),
      editedAt: null,
      deletedAt: null,
      sender: { userId: sub, displayName: sub, avatar: null },
      eventSeq: seq
    }
    broadcast(message)
    return await reply.code(201).send(message)
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  process.stdout.write(`listens on ${/** @type {import('node:net').AddressInfo} */ (app.server.address()).port}\n`)
}
