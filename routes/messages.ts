import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { MessageId } from '../schemas/common.js'
import { EditMessageBody, Message, ReceiptAnswer, ReceiptBody, SendMessageBody, TypingBody } from '../schemas/messages.js'

const Params = Type.Object({ id: MessageId })

/** Sending, editing, deleting and marking messages, and typing. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.post('/messages', {
    schema: { summary: 'Send a message', body: SendMessageBody, response: { 200: Message, 201: Message } }
  }, async ({ chatCaller: caller, body }, reply) => {
    const { message, created } = await chat.sendMessage(caller.userId, body)
    return await reply.code(created ? 201 : 200).send(message)
  })

  app.patch('/messages/:id', {
    schema: { summary: 'Edit one of the caller\'s messages', params: Params, body: EditMessageBody, response: { 200: Message } }
  }, async ({ chatCaller: caller, params, body }) => await chat.editMessage(caller.userId, params.id, body))

  app.delete('/messages/:id', {
    schema: { summary: 'Delete one of the caller\'s messages, leaving a tombstone', params: Params, response: { 200: Message } }
  }, async ({ chatCaller: caller, params }) => await chat.deleteMessage(caller.userId, params.id))

  app.put('/messages/:id/status', {
    schema: {
      summary: 'Mark a message and all messages before it as delivered or read',
      params: Params,
      body: ReceiptBody,
      response: { 200: ReceiptAnswer }
    }
  }, async ({ chatCaller: caller, params, body }) => await chat.markMessage(caller.userId, params.id, body))

  app.post('/typing', {
    schema: { summary: 'Set typing', body: TypingBody, response: { 200: TypingBody } }
  }, async ({ chatCaller: caller, body }) => await chat.setTyping(caller.userId, body))
}

export default routes
