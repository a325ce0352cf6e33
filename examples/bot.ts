// A bot that answers "ping" with "pong" in all of its conversations, also what was written while it was down:
//
//   CHAT_TOKEN=<its JWT> node --import=tsx examples/bot.ts
//
// CHAT_URL says where the service is (default: http://localhost:3000), STATE where the bot keeps how far it has got.

import { readFileSync, writeFileSync } from 'node:fs'
import { createChatClient } from 'fastify-sse-chat/client'

const { CHAT_TOKEN: token = '', CHAT_URL: baseUrl, STATE: state = 'bot.position' } = process.env
const client = createChatClient({ baseUrl, token })

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
