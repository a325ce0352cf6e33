// A node that sends messages to each of the conversations in turn, and its webhooks. It is meant to be killed.

import Fastify from 'fastify'
import chat from '../../app.js'
import { retryDelays } from '../../chat/followers/follower.js'
import { patience } from '../../chat/webhooks/post.js'

retryDelays.ms = [20, 100]
patience.ms = 500

const [, , databaseUrl = '', databaseSchema = '', ...conversationIds] = process.argv

const app = Fastify()
await app.register(chat, { databaseUrl, databaseSchema, webhookAllowPrivate: true, authenticate: () => undefined })
await app.ready()
process.stdout.write('ready\n')

for (let number = 1; ; number++) {
  const conversationId = conversationIds[number % conversationIds.length]!
  const { message: { messageId } } = await app.chat.sendMessage('ann', { conversationId, text: `message ${number}` })
  if (number % 7 === 0) await app.chat.editMessage('ann', messageId, { text: `edited ${number}` })
  await new Promise(resolve => setTimeout(resolve, 10))
}
