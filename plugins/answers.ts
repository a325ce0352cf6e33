import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/**
 * Serialises what the scope's handlers return before Fastify would call a host's `preSerialization` hooks: one that puts every answer into an
 * envelope would change the chat's wire shapes. So a handler returns its answer, and does not send it.
 */
async function answersPlugin (app: FastifyInstance): Promise<void> {
  app.addHook('onRoute', route => {
    if (route.schema?.response === undefined || route.schema.produces !== undefined) return
    const { handler } = route
    route.handler = async function (request, reply) {
      const answer: unknown = await handler.call(this, request, reply)
      if (answer === reply || answer === undefined) return answer
      reply.type('application/json; charset=utf-8')
      return reply.serialize(answer)
    }
  })
}

export default fp(answersPlugin, { name: 'fastify-sse-chat-answers', fastify: '5.x' })
