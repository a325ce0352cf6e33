// A receiver of webhooks, in any process of yours: it verifies each request, and takes each event once. docs/webhooks.md says how it is added.
//
//   WEBHOOK_SECRET=whsec_… node --import=tsx examples/webhook-receiver.ts

import Fastify from 'fastify'
import { Webhook } from 'standardwebhooks'
import type { FollowerEvent } from 'fastify-sse-chat'

const webhook = new Webhook(process.env.WEBHOOK_SECRET!)
// A real receiver keeps this in its database, in the transaction that does the work.
const seen = new Map<string, number>()

const app = Fastify()

// The signature is of the body as it came, so it must not be parsed before.
app.removeAllContentTypeParsers()
app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => { done(null, body) })

app.post<{ Body: string }>('/chat-events', async (request, reply) => {
  let event: FollowerEvent | { type: 'ping' }
  try {
    event = webhook.verify(request.body, request.headers as Record<string, string>) as typeof event
  } catch {
    return await reply.code(401).send()
  }
  if (event.type !== 'ping') {
    const { conversationId, eventSeq } = event.data
    // After a crash of the service, events come again: within a conversation they are in order.
    if (eventSeq > (seen.get(conversationId) ?? 0)) {
      seen.set(conversationId, eventSeq)
      console.log(`${conversationId} ${eventSeq}: ${event.type}${event.type === 'message' ? ` ${event.data.text}` : ''}`)
    }
  }
  return await reply.code(204).send()
})

console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 4000) })}`)
