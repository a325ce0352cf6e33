// Fastify-sse-v2 as its documentation shows it: each subscriber has a queue of its own, and `reply.sse()` serialises.

import { EventEmitter, on } from 'node:events'
import { FastifySSEPlugin } from 'fastify-sse-v2'
import { buildApp, listen } from './app.js'

const app = await buildApp()
await app.register(FastifySSEPlugin)
const events = new EventEmitter()
events.setMaxListeners(0)

app.get('/api/sse', (_request, reply) => {
  reply.sse((async function * () {
    const messages = on(events, 'message')
    yield { event: 'connected', data: '{}' }
    for await (const [message] of messages) yield { id: String(message.seq), event: 'message', data: JSON.stringify(message) }
  })())
})
await listen(app, message => events.emit('message', message))
