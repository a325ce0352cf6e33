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
    /** Typed by the chat's events; with a catalogue of your own: `app.getDecorator<Hub<MyEvents>>('hub')`. */
    hub: Hub<ChatEvents>
  }
  interface FastifyReply {
    /** Answers 200 with an event stream (HTML Living Standard, 9.2) and gives what the hub writes to. */
    openEventStream(): Sink
  }
}

/**
 * Where heartbeats are rarer, TCP looks after this long whether a silent peer is still there, in milliseconds. Otherwise the
 * heartbeat does, and TCP doesn't ask while that is on its way.
 */
const KEEP_ALIVE_MS = 30_000

/** What the hub's options may be. */
export const hubBounds = {
  heartbeatMs: { minimum: 100 },
  staleAfterMs: { minimum: 100 },
  bufferBytes: { minimum: 1024 }
} satisfies Record<string, Bounds>

/** Decorates the hub. Its streams end when the app begins to close, since open connections would hold that up. */
async function hubPlugin (app: FastifyInstance, options: HubOptions): Promise<void> {
  checkNumbers(options, hubBounds)
  const sse = await sseMethod(app)
  const hub = new Hub<ChatEvents>({ onError: error => { app.log.error({ err: error }, 'chat: an event was not sent') }, ...options })
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

/** fastify-sse-v2's `reply.sse`, with options of our own and without the decorator: the host may register it, before or after. */
async function sseMethod (app: FastifyInstance): Promise<FastifyReply['sse']> {
  return await new Promise((resolve, reject) => {
    const recorder: FastifyInstance = Object.create(app, { decorateReply: { value: (_name: string, method: FastifyReply['sse']) => { resolve(method) } } })
    FastifySSEPlugin(recorder, { retryDelay: false }).catch(reject)
  })
}

/**
 * fastify-sse-v2 opens the stream (it copies the reply's headers, CORS among them) and is then taken off: its queue for
 * each reply has no bound, it would serialise every event again for every subscriber, and it would be kept as long as the stream.
 */
function openEventStream (reply: FastifyReply, sse: FastifyReply['sse'], sessions: Http2Sessions, isSilent: boolean): Sink {
  const { raw } = reply
  const stream = http2StreamOf(reply)
  raw.once('pipe', (source: Readable) => {
    source.unpipe(raw)
    source.destroy()
  })
  reply.header('X-Accel-Buffering', 'no')
  // that of `inject` is none
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
 * fastify-sse-v2 says `Connection: keep-alive` to everybody: HTTP/2 has no such header (RFC 9113, 8.2.2), and a client that
 * asked for `close`, or is told so while the server stops, would wait for that in vain. Node.js says what is right by itself.
 */
function withoutKeepAlive ({ raw }: FastifyReply, open: () => void): void {
  const setHeader = raw.setHeader.bind(raw)
  raw.setHeader = (name, value) => name.toLowerCase() === 'connection' && value === 'keep-alive' ? raw : setHeader(name, value)
  open()
  Reflect.deleteProperty(raw, 'setHeader')
}

/** The head and what greets the stream leave together, in one packet. */
function corkThisTurn (socket: Socket): void {
  socket.cork()
  process.nextTick(() => { socket.uncork() })
}

export default fp(hubPlugin, { name: 'fastify-sse-chat-hub', fastify: '5.x' })
