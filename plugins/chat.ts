import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Chat, type ChatOptions } from '../chat/chat.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The chat's operations, in process. They are saved and sent as over HTTP. */
    chat: Chat
  }
}

/** Decorates the instance with the chat's operations. */
async function chatPlugin (app: FastifyInstance, options: ChatOptions): Promise<void> {
  const chat = new Chat(app.chatDatabase, app.hub, {
    onError: error => { app.log.warn({ err: error }, 'chat: work in the background failed') },
    ...options
  })
  await chat.start()
  app.decorate('chat', chat)
  app.addHook('onClose', async () => { await chat.stop() })
}

export default fp(chatPlugin, {
  name: 'fastify-sse-chat-chat',
  fastify: '5.x',
  dependencies: ['fastify-sse-chat-database', 'fastify-sse-chat-hub']
})
