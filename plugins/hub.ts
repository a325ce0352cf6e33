import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { FastifySSEPlugin } from 'fastify-sse-v2'
import { ChunkedSink } from '../hub/chunked-sink.js'
import { Hub, type HubOptions } from '../hub/hub.js'
import type { Sink } from '../hub/stream.js'
import type { ChatEvents } from '../schemas/events.js'

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

/** TCP looks after this long whether a silent peer is still there, in milliseconds. */
const KEEP_ALIVE_MS = 30_000

/** Decorates the hub. Its streams end when the app begins to close, since open connections would hold that up. */
async function hubPlugin (app: FastifyInstance, options: HubOptions): Promise<void> {
  if (!app.hasReplyDecorator('sse')) await app.register(FastifySSEPlugin, { retryDelay: false })
  const hub = new Hub<ChatEvents>(options)
  app.decorate('hub', hub)
  app.decorateReply('openEventStream', openEventStream)
  app.addHook('preClose', async () => { await hub.endAll('shutdown') })
  app.addHook('onClose', async () => { await hub.close() })
}

/**
 * fastify-sse-v2 opens the stream (it copies the reply's headers, CORS among them) and is then taken off: its queue for
 * each reply has no bound, and it would serialise every event again for every subscriber.
 */
function openEventStream (this: FastifyReply): Sink {
  const { raw } = this
  raw.once('pipe', (source: Readable) => {
    source.unpipe(raw)
    source.destroy()
  })
  this.header('X-Accel-Buffering', 'no')
  this.sse({})
  raw.socket?.setKeepAlive(true, KEEP_ALIVE_MS)
  raw.socket?.setNoDelay(true)
  raw.flushHeaders()
  return ChunkedSink.over(raw)
}

export default fp(hubPlugin, { name: 'fastify-sse-chat-hub', fastify: '5.x' })
