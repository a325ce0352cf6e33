import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { MessageId } from '../schemas/common.js'
import { EditMessageBody, Message, ReceiptAnswer, ReceiptBody, SendMessageBody, TypingBody } from '../schemas/messages.js'

const Params = Type.Object({ id: MessageId })

/** Messages: sending, changing, marking, and that one is being written. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.post('/messages', {
    schema: { summary: 'Send a message', body: SendMessageBody, response: { 200: Message, 201: Message } }
  }, async ({ chatCaller: caller, body }, reply) => {
    const { message, created } = await chat.sendMessage(caller.userId, body)
    return await reply.code(created ? 201 : 200).send(message)
  })

  app.patch('/messages/:id', {
    schema: { summary: 'Edit one\'s own message', params: Params, body: EditMessageBody, response: { 200: Message } }
  }, async ({ chatCaller: caller, params, body }) => await chat.editMessage(caller.userId, params.id, body))

  app.delete('/messages/:id', {
    schema: { summary: 'Delete one\'s own message: a tombstone stays', params: Params, response: { 200: Message } }
  }, async ({ chatCaller: caller, params }) => await chat.deleteMessage(caller.userId, params.id))

  app.put('/messages/:id/status', {
    schema: { summary: 'Mark a message, and all before it, as delivered or read', params: Params, body: ReceiptBody, response: { 200: ReceiptAnswer } }
  }, async ({ chatCaller: caller, params, body }) => await chat.markMessage(caller.userId, params.id, body))

  app.post('/typing', {
    schema: { summary: 'Say that one types, or no longer does', body: TypingBody, response: { 200: TypingBody } }
  }, async ({ chatCaller: caller, body }) => await chat.setTyping(caller.userId, body))
}

export default routes
