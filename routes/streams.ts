import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { RenewalParams, Renewal, Ticket, TicketBody } from '../schemas/streams.js'
import { isoTimeOrNull } from '../store/rendering.js'

/** Tickets for streams, and the renewal of a stream's token. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.post('/tickets', {
    schema: { summary: 'A one-time ticket in place of a token in the stream\'s URL', body: TicketBody, response: { 201: Ticket } }
  }, async ({ chatCaller: caller, body }, reply) => {
    const conversationId = body?.conversationId ?? null
    if (conversationId !== null) await chat.conversation(caller.userId, conversationId)
    return await reply.code(201).send(await chat.tickets.issue(caller, conversationId))
  })

  app.post('/:streamId/token', {
    schema: { summary: 'A stream lasts as long as this fresh token', params: RenewalParams, response: { 200: Renewal } }
  }, async ({ chatCaller: caller, params }) => {
    const expiresAt = await chat.streams.renew(caller.userId, params.streamId, caller.expiresAt)
    return { streamId: params.streamId, expiresAt: isoTimeOrNull(expiresAt) }
  })
}

export default routes
