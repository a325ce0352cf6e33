import fastifySse from '@fastify/sse'
import { buildApp, listen } from './app.js'

const app = await buildApp()
await app.register(fastifySse)
/** @type {Set<{ send: Function }>} */
const subscribers = new Set()

// Without heartbeats, like all that are compared
app.get('/api/sse', { sse: { kind: 'only', heartbeat: false } }, async (_request, reply) => {
  reply.sse.keepAlive()
  await reply.sse.send({ event: 'connected', data: {} })
  subscribers.add(reply.sse)
  reply.sse.onClose(() => { subscribers.delete(reply.sse) })
})
await listen(app, message => {
  for (const subscriber of subscribers) subscriber.send({ id: String(message.seq), event: 'message', data: message })
})
