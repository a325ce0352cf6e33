import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { RenewalParams, Renewal, Ticket, TicketBody } from '../schemas/streams.js'
import { isoTimeOrNull } from '../store/rendering.js'

/** Tickets that open a stream, and renewing the token of an open stream. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.post('/tickets', {
    schema: {
      operationId: 'issueTicket',
      tags: ['stream'],
      summary: 'Issue a one-time ticket that replaces the token in a stream\'s URL',
      body: TicketBody,
      response: { 201: Ticket },
      errors: ['NOT_FOUND']
    }
  }, async ({ chatCaller: caller, body }, reply) => {
    const conversationId = body?.conversationId ?? null
    if (conversationId !== null) await chat.conversation(caller.userId, conversationId)
    const ticket = await chat.tickets.issue(caller, conversationId)
    reply.code(201)
    return ticket
  })

  app.post('/:streamId/token', {
    schema: {
      operationId: 'renewStream',
      tags: ['stream'],
      summary: 'Extend a stream to the expiry of the request\'s token',
      params: RenewalParams,
      response: { 200: Renewal }
    }
  }, async ({ chatCaller: caller, params }) => {
    const expiresAt = await chat.streams.renew(caller.userId, params.streamId, caller.expiresAt)
    return { streamId: params.streamId, expiresAt: isoTimeOrNull(expiresAt) }
  })
}

export default routes
