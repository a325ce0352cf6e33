import type { IncomingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { FastifySSEPlugin } from 'fastify-sse-v2'
import { ChunkedSink } from '../hub/chunked-sink.js'
import { Hub, type HubOptions } from '../hub/hub.js'
import type { Sink } from '../hub/stream.js'
import type { ChatEvents } from '../schemas/events.js'
import { checkNumbers, type Bounds } from './options.js'
import { http2StreamOf, Http2Sessions } from './http2.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Typed with the chat's events. For events of your own, use `app.getDecorator<Hub<MyEvents>>('hub')`. */
    hub: Hub<ChatEvents>
  }
  interface FastifyReply {
    /** Answers 200 with an event stream (HTML Living Standard, 9.2) and returns the sink that the hub writes to. */
    openEventStream(): Sink
  }
}

/**
 * If heartbeats are less frequent, TCP keep-alive probes silent peers after this time, in milliseconds. Otherwise heartbeats
 * find dead peers, and TCP sends no probes while one is unacknowledged.
 */
const KEEP_ALIVE_MS = 30_000

/** The bounds of the hub's options. */
export const hubBounds = {
  heartbeatMs: { minimum: 100 },
  staleAfterMs: { minimum: 100 },
  bufferBytes: { minimum: 1024 }
} satisfies Record<string, Bounds>

/** Decorates the instance with the hub. Streams end when the app begins to close, since open connections would delay that. */
async function hubPlugin (app: FastifyInstance, options: HubOptions): Promise<void> {
  checkNumbers(options, hubBounds)
  const sse = await sseMethod(app)
  const hub = new Hub<ChatEvents>({ onError: error => { app.log.error({ err: error }, 'chat: an event could not be sent') }, ...options })
  app.decorate('hub', hub)
  const sessions = new Http2Sessions()
  const isSilent = hub.limits.heartbeatMs > KEEP_ALIVE_MS
  app.decorateReply('openEventStream', function () { return openEventStream(this, sse, sessions, isSilent) })
  app.addHook('preClose', async () => {
    await hub.endAll('shutdown')
    sessions.closeAll()
  })
  app.addHook('onClose', async () => { await hub.close() })
}

/** Returns the `reply.sse` of fastify-sse-v2 without decorating replies, so that the host may register that plugin, before or after. */
async function sseMethod (app: FastifyInstance): Promise<FastifyReply['sse']> {
  return await new Promise((resolve, reject) => {
    const record = (_name: string, method: FastifyReply['sse']): void => { resolve(method) }
    const recorder: FastifyInstance = Object.create(app, { decorateReply: { value: record } })
    FastifySSEPlugin(recorder, { retryDelay: false }).catch(reject)
  })
}

/**
 * Opens the stream with fastify-sse-v2, which copies the reply's headers (CORS among them), and then detaches it: its queue for
 * each reply has no bound, it would serialise each event once per subscriber, and it would stay in memory as long as the stream.
 */
function openEventStream (reply: FastifyReply, sse: FastifyReply['sse'], sessions: Http2Sessions, isSilent: boolean): Sink {
  const { raw } = reply
  const stream = http2StreamOf(reply)
  raw.once('pipe', (source: Readable) => {
    source.unpipe(raw)
    source.destroy()
  })
  reply.header('X-Accel-Buffering', 'no')
  if (isProxied(reply.request.headers)) reply.header('Content-Encoding', 'identity')
  // With `inject` there is no real socket.
  const socket = stream === undefined && raw.socket instanceof Socket ? raw.socket : undefined
  if (socket !== undefined) corkThisTurn(socket)
  withoutKeepAlive(reply, () => { sse.call(reply, {}) })
  Reflect.deleteProperty(reply, 'sseContext')
  if (stream !== undefined) {
    sessions.add(stream)
    return stream
  }
  if (isSilent) socket?.setKeepAlive(true, KEEP_ALIVE_MS)
  socket?.setNoDelay(true)
  return ChunkedSink.over(raw)
}

/**
 * Whether a proxy is in front. Those that compress would hold the first events back until there are enough of them, despite `no-transform`,
 * unless the answer has a coding already. To others, `identity` is not sent (RFC 9110, 8.4.1).
 */
const isProxied = (headers: IncomingHttpHeaders): boolean => ['x-forwarded-for', 'forwarded', 'via'].some(name => headers[name] !== undefined)

/**
 * Suppresses the `Connection: keep-alive` of fastify-sse-v2. HTTP/2 has no such header (RFC 9113, 8.2.2), and a connection may have to
 * be closed because the client asked for it or because the server is stopping. Node.js sets the right value by itself.
 */
function withoutKeepAlive ({ raw }: FastifyReply, open: () => void): void {
  const setHeader = raw.setHeader.bind(raw)
  raw.setHeader = (name, value) => name.toLowerCase() === 'connection' && value === 'keep-alive' ? raw : setHeader(name, value)
  open()
  Reflect.deleteProperty(raw, 'setHeader')
}

/** Sends the headers and the stream's first events in one packet. */
function corkThisTurn (socket: Socket): void {
  socket.cork()
  process.nextTick(() => { socket.uncork() })
}

export default fp(hubPlugin, { name: 'fastify-sse-chat-hub', fastify: '5.x' })
