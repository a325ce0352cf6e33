import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { bearerToken } from '../plugins/auth.js'
import type { Admission } from '../chat/streams.js'
import { isChatError } from '../errors.js'
import { disconnectText } from '../hub/stream.js'
import { Nullable } from '../schemas/common.js'
import { Renewal, StreamQuery, Ticket, TicketBody } from '../schemas/streams.js'
import { isoTimeOrNull } from '../store/rendering.js'

export interface SseOptions {
  /** Open streams of this process; the next is told to come back. */
  maxStreams: number | undefined
  /** Whether the host says who calls, and tokens in a query mean nothing. */
  hostAuthenticates: boolean
}

/** The stream, its tickets, and the renewal of its token. */
const routes: FastifyPluginAsyncTypebox<SseOptions> = async (app, { maxStreams, hostAuthenticates }) => {
  const { chat, hub } = app

  /**
   * An EventSource gives up for good on any answer but 200. So only what coming back can't mend is refused; the rest is
   * a stream that says when to come back.
   */
  app.get('/sse', {
    exposeHeadRoute: false,
    config: { unlimited: true },
    schema: { summary: 'The stream of events', querystring: StreamQuery, produces: ['text/event-stream'] }
  }, async (request, reply) => {
    const wait = await app.countCall?.(request) ?? 0
    if (wait > 0) return turnAway(reply, 'unavailable', wait)
    if (hub.closing) return turnAway(reply, 'shutdown')
    if (maxStreams !== undefined && hub.streamCount >= maxStreams) return turnAway(reply, 'unavailable')
    let admission: Admission
    try {
      await identify(request, request.query)
      const { conversationId, echo, lastEventId } = request.query
      admission = await chat.streams.admit({
        userId: request.chatCaller.userId,
        expiresAt: request.chatCaller.expiresAt,
        conversationId,
        lastEventId: lastEventIdOf(request.headers, lastEventId),
        echo: echo === 'true' || echo === '1'
      })
    } catch (error) {
      if (!isChatError(error, 'UNAVAILABLE')) throw error
      return turnAway(reply, hub.closing ? 'shutdown' : 'unavailable')
    }
    admission.begin(reply.openEventStream())
  })

  /** A token in the header counts before a ticket, and that before a token in the URL. */
  async function identify (request: FastifyRequest, { token, ticket, conversationId }: StreamQuery): Promise<void> {
    if (bearerToken(request.headers.authorization) !== undefined) {
      await app.chatCallers.identify(request)
    } else if (ticket !== undefined) {
      const { userId, expiresAt } = await chat.tickets.redeem(ticket, conversationId ?? null)
      request.chatCaller = { userId, displayName: null, avatar: null, issuedAt: null, expiresAt }
    } else if (token !== undefined && !hostAuthenticates) {
      await app.chatCallers.welcome(request, await app.chatAuth.verify(token))
    } else {
      await app.chatCallers.identify(request)
    }
  }

  app.post('/sse/tickets', {
    onRequest: app.chatCallers.identify,
    schema: { summary: 'A one-time ticket in place of a token in the stream\'s URL', body: Nullable(TicketBody), response: { 201: Ticket } }
  }, async ({ chatCaller: caller, body }, reply) => {
    const conversationId = body?.conversationId ?? null
    if (conversationId !== null) await chat.conversation(caller.userId, conversationId)
    return await reply.code(201).send(await chat.tickets.issue(caller, conversationId))
  })

  app.post('/sse/:streamId/token', {
    onRequest: app.chatCallers.identify,
    schema: { summary: 'A stream lasts as long as this fresh token', params: Type.Object({ streamId: Type.String({ maxLength: 64 }) }), response: { 200: Renewal } }
  }, async ({ chatCaller: caller, params }) => {
    await chat.streams.renew(caller.userId, params.streamId, caller.expiresAt)
    return { streamId: params.streamId, expiresAt: isoTimeOrNull(caller.expiresAt) }
  })

  function turnAway (reply: FastifyReply, reason: 'shutdown' | 'unavailable', wait = 0): void {
    const sink = reply.openEventStream()
    sink.write(disconnectText(reason, Math.ceil(wait) + (hub.retryAfterMs(reason) ?? 0)))
    sink.end()
  }
}

/** The header counts: a browser keeps its old URL when it reconnects. */
function lastEventIdOf (headers: IncomingHttpHeaders, inQuery: string | undefined): string | undefined {
  const header = headers['last-event-id']
  const id = Array.isArray(header) ? header[0] : header
  return (id === '' ? undefined : id) ?? (inQuery === '' ? undefined : inQuery)
}

export default routes
