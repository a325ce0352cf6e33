// An assistant: answers each message in its conversations with one that grows, as the answers of language models come.
//
//   CHAT_TOKEN=<its JWT> node --import=tsx examples/assistant.ts
//
// CHAT_URL says where the service is (default: http://localhost:3000), WORD_MS how long it thinks about a word.

import { setTimeout as sleep } from 'node:timers/promises'
import { createChatClient } from 'fastify-sse-chat/client'

const { CHAT_TOKEN: token = '', CHAT_URL: baseUrl, WORD_MS = '50' } = process.env
const client = createChatClient({ baseUrl, token })

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
