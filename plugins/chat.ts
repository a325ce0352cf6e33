import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type {} from './bus.js'
import { Chat } from '../chat/chat.js'
import type { ChatOptions } from '../chat/options.js'

export { rebuildIndex } from '../chat/search/indexing.js'

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
  const { channel } = chat.pending
  if (channel !== undefined) app.chatBus.hear?.(channel, () => { chat.pending.wake() })
  app.decorate('chat', chat)
  app.addHook('onClose', async () => { await chat.stop() })
}

export default fp(chatPlugin, {
  name: 'fastify-sse-chat-chat',
  fastify: '5.x',
  dependencies: ['fastify-sse-chat-database', 'fastify-sse-chat-bus', 'fastify-sse-chat-hub']
})
