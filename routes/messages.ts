import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { MessageId } from '../schemas/common.js'
import {
  EditMessageBody, MentionListQuery, MentionPage, MessagePage, OwnMessage, ReactionAnswer, ReactionListQuery, ReactionPage, ReceiptAnswer,
  ReceiptBody, RepliesQuery, SendMessageBody, TypingBody
} from '../schemas/messages.js'

const Params = Type.Object({ id: MessageId })
const ReactionParams = Type.Object({ id: MessageId, emoji: Type.String({ description: 'One emoji, percent-encoded as UTF-8, in any form' }) })

/** Sending, reading, editing, deleting and marking messages, reactions and mentions, and typing. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.post('/messages', {
    schema: { summary: 'Send a message', body: SendMessageBody, response: { 200: OwnMessage, 201: OwnMessage } }
  }, async ({ chatCaller: caller, body }, reply) => {
    const { message, created } = await chat.sendMessage(caller.userId, body)
    return await reply.code(created ? 201 : 200).send(message)
  })

  app.get('/messages/:id', {
    schema: { summary: 'Get a message', params: Params, response: { 200: OwnMessage } }
  }, async ({ chatCaller: caller, params }) => await chat.message(caller.userId, params.id))

  app.patch('/messages/:id', {
    schema: {
      summary: 'Change the text, metadata or mentions of one of the caller\'s messages',
      params: Params,
      body: EditMessageBody,
      response: { 200: OwnMessage }
    }
  }, async ({ chatCaller: caller, params, body }) => await chat.editMessage(caller.userId, params.id, body))

  app.delete('/messages/:id', {
    schema: { summary: 'Delete one of the caller\'s messages, leaving a tombstone', params: Params, response: { 200: OwnMessage } }
  }, async ({ chatCaller: caller, params }) => await chat.deleteMessage(caller.userId, params.id))

  app.put('/messages/:id/status', {
    schema: {
      summary: 'Mark a message and all messages before it as delivered or read',
      params: Params,
      body: ReceiptBody,
      response: { 200: ReceiptAnswer }
    }
  }, async ({ chatCaller: caller, params, body }) => await chat.markMessage(caller.userId, params.id, body))

  app.get('/messages/:id/replies', {
    schema: {
      summary: 'List the direct replies to a message in ascending order',
      params: Params,
      querystring: RepliesQuery,
      response: { 200: MessagePage }
    }
  }, async ({ chatCaller: caller, params, query }) => await chat.replies(caller.userId, params.id, query))

  app.get('/messages/:id/reactions', {
    schema: {
      summary: 'List the reactions to a message, oldest first',
      params: Params,
      querystring: ReactionListQuery,
      response: { 200: ReactionPage }
    }
  }, async ({ chatCaller: caller, params, query }) => await chat.reactions(caller.userId, params.id, query))

  app.put('/messages/:id/reactions/:emoji', {
    schema: { summary: 'React to a message with an emoji', params: ReactionParams, response: { 200: ReactionAnswer } }
  }, async ({ chatCaller: caller, params }) => await chat.react(caller.userId, params.id, params.emoji, true))

  app.delete('/messages/:id/reactions/:emoji', {
    schema: { summary: 'Take back a reaction to a message', params: ReactionParams, response: { 200: ReactionAnswer } }
  }, async ({ chatCaller: caller, params }) => await chat.react(caller.userId, params.id, params.emoji, false))

  app.get('/mentions', {
    schema: { summary: 'List the messages that mention the caller, newest first', querystring: MentionListQuery, response: { 200: MentionPage } }
  }, async ({ chatCaller: caller, query }) => await chat.mentions(caller.userId, query))

  app.post('/typing', {
    schema: { summary: 'Set typing', body: TypingBody, response: { 200: TypingBody } }
  }, async ({ chatCaller: caller, body }) => await chat.setTyping(caller.userId, body))
}

export default routes
