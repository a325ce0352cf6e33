import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { StreamCaller } from '../chat/streams.js'
import { bearerToken } from '../plugins/auth.js'
import { answerError } from '../plugins/errors.js'
import { isChatError } from '../errors.js'
import { disconnectText } from '../hub/stream.js'
import { StreamQuery } from '../schemas/streams.js'

export interface SseOptions {
  /** Open streams of this process; the next is told to come back. */
  maxStreams: number | undefined
  /** Whether the host says who calls, and tokens in a query mean nothing. */
  hostAuthenticates: boolean
}

/** The stream. */
const routes: FastifyPluginAsyncTypebox<SseOptions> = async (app, { maxStreams, hostAuthenticates }) => {
  const { chat, hub } = app
  /** Streams that are about to be open. */
  let admitting = 0

  /**
   * An EventSource gives up for good on any answer but 200. So only what coming back can't mend is refused; the rest is
   * a stream that says when to come back.
   */
  app.get('/sse', {
    exposeHeadRoute: false,
    errorHandler: answerStreamError,
    schema: { summary: 'The stream of events', querystring: StreamQuery, produces: ['text/event-stream'] }
  }, async (request, reply) => {
    if (hub.closing) return turnAway(reply, 'shutdown')
    if (isFull()) return turnAway(reply, 'unavailable')
    const caller = await identify(request, request.query)
    if (isFull()) return turnAway(reply, 'unavailable')
    admitting++
    try {
      const { conversationId, echo, lastEventId } = request.query
      const admission = await chat.streams.admit({
        caller,
        conversationId,
        lastEventId: lastEventIdOf(request.headers, lastEventId),
        echo: echo === 'true' || echo === '1'
      })
      admission.begin(reply.openEventStream())
    } finally {
      admitting--
    }
  })

  function isFull (): boolean {
    return maxStreams !== undefined && hub.streamCount + admitting >= maxStreams
  }

  function answerStreamError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
    if (isChatError(error, 'UNAVAILABLE')) turnAway(reply, hub.closing ? 'shutdown' : 'unavailable')
    else if (isChatError(error, 'TOO_MANY_REQUESTS')) turnAway(reply, 'unavailable', (error.retryAfter ?? 0) * 1000)
    else answerError(error, request, reply)
  }

  /** A token in the header counts before a ticket, and that before a token in the URL. */
  async function identify (request: FastifyRequest, { token, ticket, conversationId }: StreamQuery): Promise<StreamCaller> {
    if (bearerToken(request.headers.authorization) === undefined) {
      if (ticket !== undefined) return await chat.tickets.redeem(ticket, conversationId ?? null)
      if (token !== undefined && !hostAuthenticates) return await app.chatAuth.verify(token)
    }
    return await app.chatCallers.authenticate(request)
  }

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
