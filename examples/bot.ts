// A bot that answers "ping" with "pong" in all of its conversations, also what was written while it was down:
//
//   CHAT_KEY=<a service key> node --import=tsx examples/bot.ts
//
// The key is one of SERVICE_KEYS of the service. BOT says for whom it acts (default: bot), CHAT_URL where the service is (default:
// http://localhost:3000), STATE where the bot keeps how far it has got.

import { readFileSync, writeFileSync } from 'node:fs'
import { createChatClient } from 'fastify-sse-chat/client'

const { CHAT_KEY: key = '', BOT: userId = 'bot', CHAT_URL: baseUrl = 'http://localhost:3000', STATE: state = 'bot.position' } = process.env

// Makes the bot a user, if it is none yet.
const made = await fetch(`${baseUrl}/api/admin/users/${encodeURIComponent(userId)}`, {
  method: 'PUT',
  headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  body: JSON.stringify({ displayName: 'Bot', isBot: true })
})
if (!made.ok) throw new Error(`the bot is not made: ${made.status}`)

const client = createChatClient({
  baseUrl,
  token: key,
  fetch: async (url, init) => await fetch(url, { ...init, headers: { ...init?.headers, 'x-chat-user': encodeURIComponent(userId) } })
})

function readPosition (): string | null {
  try {
    return readFileSync(state, 'utf8')
  } catch {
    return null
  }
}

let work: Promise<unknown> = Promise.resolve()

client.subscribe({
  lastEventId: readPosition(),
  onMessage ({ id, conversationId, text }) {
    // One clientId per question: answering it again, after a crash, sends nothing more.
    if (text.trim() === 'ping') work = work.then(() => client.sendMessage({ conversationId, text: 'pong', clientId: `pong ${id}` }))
  },
  // Behind the answers: a crash before one of them was sent brings its question again.
  onLastEventId (id) { work = work.then(() => writeFileSync(state, id)) },
  onConnect: () => console.log('listening'),
  onDisconnect: (reason) => console.log(`lost the stream: ${reason}`),
  onError: (error) => console.error(error.message)
})
