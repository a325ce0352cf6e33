import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Admission, StreamCaller } from '../chat/streams.js'
import { bearerToken } from '../plugins/auth.js'
import { answerError, logFailure, refusalOf } from '../plugins/errors.js'
import { disconnectText, type Sink } from '../hub/stream.js'
import { StreamEvent } from '../schemas/events.js'
import { StreamHeaders, StreamQuery } from '../schemas/streams.js'

export interface SseOptions {
  /** Maximum number of open streams in this process. Further ones are told to reconnect later. */
  maxStreams: number | undefined
  /** Whether the host authenticates callers. A token in the query is ignored then. */
  hostAuthenticates: boolean
}

/** `GET /api/sse`, the event stream. */
const routes: FastifyPluginAsyncTypebox<SseOptions> = async (app, { maxStreams, hostAuthenticates }) => {
  const { chat, hub } = app
  /** Streams that are being admitted. */
  let admitting = 0

  /**
   * An EventSource gives up for good on any status but 200. So a request is refused only if reconnecting cannot help. Otherwise the
   * answer is a stream that says when to reconnect.
   */
  app.get('/sse', {
    exposeHeadRoute: false,
    errorHandler: answerStreamError,
    schema: {
      operationId: 'openStream',
      tags: ['stream'],
      summary: 'Open an event stream',
      querystring: StreamQuery,
      headers: StreamHeaders,
      response: { 200: StreamEvent },
      produces: ['text/event-stream'],
      errors: ['INVALID_TICKET', 'NOT_FOUND', 'TOO_MANY_STREAMS']
    }
  }, async (request, reply) => {
    if (hub.closing) return turnAway(reply, 'shutdown')
    if (isFull()) return turnAway(reply, 'unavailable')
    const caller = await identify(request, reply, request.query)
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
      begin(admission, request, reply.openEventStream())
    } finally {
      admitting--
    }
  })

  function isFull (): boolean {
    return maxStreams !== undefined && hub.streamCount + admitting >= maxStreams
  }

  /** The headers have been sent, so an error can only end the stream. */
  function begin (admission: Admission, request: FastifyRequest, sink: Sink): void {
    try {
      admission.begin(sink)
    } catch (error) {
      request.log.error({ err: error }, 'A stream could not be started')
      sendAway(sink, 'unavailable')
    }
  }

  /** What the caller cannot mend, a bug of this server included, may be over when the client reconnects. */
  function answerStreamError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
    const refusal = refusalOf(error)
    // Hooks of a host, such as a rate limit, say it in the header only
    const retryAfter = refusal.retryAfter ?? (Number(reply.getHeader('retry-after')) || 0)
    if (refusal.statusCode >= 500) {
      logFailure(error, refusal, request)
      turnAway(reply, hub.closing ? 'shutdown' : 'unavailable', retryAfter * 1000)
    } else if (refusal.code === 'TOO_MANY_REQUESTS') {
      turnAway(reply, 'unavailable', retryAfter * 1000)
    } else {
      answerError(error, request, reply)
    }
  }

  /** A token in the header takes precedence over a ticket, and a ticket over a token in the URL. */
  async function identify (request: FastifyRequest, reply: FastifyReply, { token, ticket, conversationId }: StreamQuery): Promise<StreamCaller> {
    if (bearerToken(request.headers.authorization) === undefined) {
      if (ticket !== undefined) return await chat.tickets.redeem(ticket, conversationId ?? null)
      if (token !== undefined && !hostAuthenticates) return await app.chatAuth.verify(token)
    }
    return await app.chatCallers.authenticate(request, reply)
  }

  function turnAway (reply: FastifyReply, reason: 'shutdown' | 'unavailable', wait = 0): void {
    sendAway(reply.openEventStream(), reason, wait)
  }

  function sendAway (sink: Sink, reason: 'shutdown' | 'unavailable', wait = 0): void {
    if (sink.destroyed || sink.writableEnded) return
    sink.write(disconnectText(reason, Math.ceil(wait) + (hub.retryAfterMs(reason) ?? 0)))
    sink.end()
  }
}

/** The header takes precedence: a browser reconnects with its old URL. */
function lastEventIdOf (headers: IncomingHttpHeaders, inQuery: string | undefined): string | undefined {
  const header = headers['last-event-id']
  const id = Array.isArray(header) ? header[0] : header
  return (id === '' ? undefined : id) ?? (inQuery === '' ? undefined : inQuery)
}

export default routes
