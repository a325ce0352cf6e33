import { createChannel, createSession } from 'better-sse'
import { buildApp, listen } from './app.js'

const app = await buildApp()
const channel = createChannel()

app.get('/api/sse', async (request, reply) => {
  reply.hijack()
  const session = await createSession(request.raw, reply.raw, { keepAlive: null })
  session.push({}, 'connected')
  channel.register(session)
})
await listen(app, message => channel.broadcast(message, 'message', { eventId: String(message.seq) }))
