// A Fastify app with a login of its own gains a chat: the lines below "The chat".
//
//   node --import=tsx examples/embedding.ts
//   curl -c alice.txt -X POST 'localhost:3000/login?name=alice'
//   curl -c bob.txt -X POST 'localhost:3000/login?name=bob'
//   curl -N -b bob.txt localhost:3000/chat/api/sse &
//   curl -b alice.txt localhost:3000/chat/api/chat/conversations --json '{"type":"direct","userId":"bob"}'
//   curl -b alice.txt localhost:3000/chat/api/chat/messages --json '{"conversationId":"conv_alice_bob","text":"Hello!"}'

import { randomUUID } from 'node:crypto'
import Fastify, { type FastifyRequest } from 'fastify'
import chat from 'fastify-sse-chat'

// ---- The app as it was: POST /login sets a cookie. (A real one checks a password.)

const { PORT = '3000', DATABASE_URL = 'file:./data/embedding.db' } = process.env
const app = Fastify({ routerOptions: { maxParamLength: 3600 }, requestTimeout: 60_000 })
const sessions = new Map<string, string>()

function signedIn ({ headers: { cookie = '' } }: FastifyRequest): string | undefined {
  const session = cookie.split('; ').find((pair) => pair.startsWith('session='))
  return session && sessions.get(session.slice('session='.length))
}

app.post<{ Querystring: { name: string } }>('/login', {
  schema: { querystring: { type: 'object', required: ['name'], properties: { name: { type: 'string', pattern: '^[a-z]{1,20}$' } } } }
}, async ({ query: { name } }, reply) => {
  const session = randomUUID()
  sessions.set(session, name)
  // The chat knows users from their first call on. This makes them known now, so that others can write to them.
  await app.chat.ensureUser({ userId: name, displayName: name, avatar: null, issuedAt: null, expiresAt: null })
  return reply.header('Set-Cookie', `session=${session}; HttpOnly; SameSite=Strict; Path=/`).code(204).send()
})

// ---- The chat.

await app.register(chat, {
  prefix: '/chat',
  databaseUrl: DATABASE_URL,
  authenticate (request) {
    const name = signedIn(request)
    return name && { userId: name, displayName: name }
  }
})

// The app takes part, too: what it does in process is saved and sent as over HTTP.
app.post<{ Body: { to: string, text: string } }>('/notices', async ({ body: { to, text } }) => {
  await app.chat.ensureUser({ userId: 'shop', displayName: 'The shop', avatar: null, issuedAt: null, expiresAt: null })
  const { conversation } = await app.chat.createConversation('shop', { type: 'direct', userId: to })
  const { message } = await app.chat.sendMessage('shop', { conversationId: conversation.id, text })
  return message
})

console.log(`listening on ${await app.listen({ port: Number(PORT) })}`)
