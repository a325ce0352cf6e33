// An assistant: answers each message in its conversations with one that grows, as the answers of language models come.
//
//   CHAT_KEY=<a service key> node --import=tsx examples/assistant.ts
//
// The key is one of SERVICE_KEYS of the service. BOT says for whom it acts (default: assistant), CHAT_URL where the service is (default:
// http://localhost:3000), WORD_MS how long it thinks about a word.

import { setTimeout as sleep } from 'node:timers/promises'
import { createChatClient } from 'fastify-sse-chat/client'

const { CHAT_KEY: key = '', BOT: userId = 'assistant', CHAT_URL: baseUrl = 'http://localhost:3000', WORD_MS = '50' } = process.env

// Makes the assistant a user, if it is none yet.
const made = await fetch(`${baseUrl}/api/admin/users/${encodeURIComponent(userId)}`, {
  method: 'PUT',
  headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  body: JSON.stringify({ displayName: 'Assistant', isBot: true })
})
if (!made.ok) throw new Error(`the assistant is not made: ${made.status}`)

const client = createChatClient({
  baseUrl,
  token: key,
  fetch: async (url, init) => await fetch(url, { ...init, headers: { ...init?.headers, 'x-chat-user': encodeURIComponent(userId) } })
})

/** Stands for a model: put the stream of yours here. Whatever yields texts will do. */
async function * think (question: string, signal: AbortSignal): AsyncGenerator<string> {
  const answer = question.startsWith('count') ? Array.from({ length: 1000 }, (_, n) => n + 1) : `You said: ${question}`.split(' ')
  for (const word of answer) {
    await sleep(Number(WORD_MS), undefined, { signal })
    yield `${word} `
  }
}

/** Answers a message. Who presses Stop gets what was said until then. */
async function answer (conversationId: string, question: { id: string, text: string }): Promise<void> {
  const message = client.grow(conversationId, { replyToId: question.id, clientId: `answer ${question.id}` })
  const { text } = await message.pipe(think(question.text, message.signal))
  console.log(`answered with ${text.length} characters`)
}

client.subscribe({
  onMessage ({ id, conversationId, text, growing, sender }) {
    // Two assistants would never come to an end.
    if (growing || sender.isBot || text === '') return
    answer(conversationId, { id, text }).catch((error: Error) => console.error(error.message))
  },
  onConnect: () => console.log('listening'),
  onError: (error) => console.error(error.message)
})
