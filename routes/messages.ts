import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { MessageId } from '../schemas/common.js'
import { AppendAnswer, AppendBody, OptionalFinishBody, StopAnswer } from '../schemas/growing.js'
import {
  EditMessageBody, MentionListQuery, MentionPage, MessagePage, OwnMessage, ReactionAnswer, ReactionListQuery, ReactionPage, ReceiptAnswer,
  ReceiptBody, ReceiptListQuery, ReceiptPage, RepliesQuery, SendMessageBody, TypingBody
} from '../schemas/messages.js'

const Params = Type.Object({ id: MessageId })
const ReactionParams = Type.Object({ id: MessageId, emoji: Type.String({ description: 'One emoji, percent-encoded as UTF-8, in any form' }) })

/** Sending, reading, editing, deleting and marking messages, reactions and mentions, and typing. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.post('/messages', {
    schema: {
      operationId: 'sendMessage',
      tags: ['messages'],
      summary: 'Send a message',
      body: SendMessageBody,
      response: { 200: OwnMessage, 201: OwnMessage },
      errors: [
        'REFUSED', 'METADATA_TOO_LARGE', 'NOT_FOUND', 'CLIENT_ID_REUSED', 'BLOCKED', 'POSTING_RESTRICTED', 'FORBIDDEN', 'UNKNOWN_MESSAGE',
        'UNKNOWN_FILE', 'MESSAGE_DELETED', 'FILE_USED', 'SLOW_MODE'
      ]
    }
  }, async ({ chatCaller: caller, body }, reply) => {
    const { message, created } = await chat.sendMessage(caller, body)
    reply.code(created ? 201 : 200)
    return message
  })

  app.get('/messages/:id', {
    schema: {
      operationId: 'getMessage',
      tags: ['messages'],
      summary: 'Get a message',
      params: Params,
      response: { 200: OwnMessage }
    }
  }, async ({ chatCaller: caller, params }) => await chat.message(caller.userId, params.id))

  app.patch('/messages/:id', {
    schema: {
      operationId: 'editMessage',
      tags: ['messages'],
      summary: 'Change the text, metadata or mentions of one of the caller\'s messages',
      params: Params,
      body: EditMessageBody,
      response: { 200: OwnMessage },
      errors: ['REFUSED', 'METADATA_TOO_LARGE', 'FORBIDDEN', 'BLOCKED', 'POSTING_RESTRICTED', 'MESSAGE_DELETED', 'STILL_GROWING']
    }
  }, async ({ chatCaller: caller, params, body }) => await chat.editMessage(caller, params.id, body))

  app.post('/messages/:id/append', {
    schema: {
      operationId: 'appendToMessage',
      tags: ['messages'],
      summary: 'Append to one of the caller\'s messages that grow',
      description: 'Repeating the call changes nothing. At most 20 a second; repetitions do not count.',
      params: Params,
      body: AppendBody,
      response: { 200: AppendAnswer },
      errors: ['FORBIDDEN', 'BLOCKED', 'POSTING_RESTRICTED', 'NOT_GROWING', 'OFFSET_MISMATCH']
    }
  }, async ({ chatCaller: caller, params, body }) => await chat.appendToMessage(caller, params.id, body))

  app.post('/messages/:id/finish', {
    schema: {
      operationId: 'finishMessage',
      tags: ['messages'],
      summary: 'Finish one of the caller\'s messages that grow',
      description: 'Repeating the call changes nothing. A message that is not finished is finished when nothing was appended for 60 seconds.',
      params: Params,
      body: OptionalFinishBody,
      response: { 200: OwnMessage },
      errors: ['REFUSED', 'METADATA_TOO_LARGE', 'FORBIDDEN', 'BLOCKED', 'POSTING_RESTRICTED', 'NOT_GROWING', 'STILL_GROWING']
    }
  }, async ({ chatCaller: caller, params, body }) => await chat.finishMessage(caller, params.id, body))

  app.post('/messages/:id/stop', {
    schema: {
      operationId: 'stopMessage',
      tags: ['messages'],
      summary: 'Ask the sender of a message that grows to finish it',
      description: 'The sender\'s streams are told by `messageStop`.',
      params: Params,
      response: { 200: StopAnswer },
      errors: ['BLOCKED', 'NOT_GROWING']
    }
  }, async ({ chatCaller: caller, params }) => await chat.stopMessage(caller.userId, params.id))

  app.delete('/messages/:id', {
    schema: {
      operationId: 'deleteMessage',
      tags: ['messages'],
      summary: 'Delete one of the caller\'s messages, leaving a tombstone',
      params: Params,
      response: { 200: OwnMessage },
      errors: ['REFUSED', 'FORBIDDEN']
    }
  }, async ({ chatCaller: caller, params }) => await chat.deleteMessage(caller, params.id))

  app.put('/messages/:id/status', {
    schema: {
      operationId: 'setMessageStatus',
      tags: ['messages'],
      summary: 'Mark a message and all messages before it as delivered or read',
      params: Params,
      body: ReceiptBody,
      response: { 200: ReceiptAnswer },
      errors: ['OWN_MESSAGE']
    }
  }, async ({ chatCaller: caller, params, body }) => await chat.markMessage(caller.userId, params.id, body))

  app.get('/messages/:id/receipts', {
    schema: {
      operationId: 'listReceipts',
      tags: ['messages'],
      summary: 'List who has read a message, who has only got it, and who has not, and when',
      params: Params,
      querystring: ReceiptListQuery,
      response: { 200: ReceiptPage },
      errors: ['INVALID_CURSOR']
    }
  }, async ({ chatCaller: caller, params, query }) => await chat.receipts(caller.userId, params.id, query))

  app.get('/messages/:id/replies', {
    schema: {
      operationId: 'listReplies',
      tags: ['messages'],
      summary: 'List the direct replies to a message in ascending order',
      params: Params,
      querystring: RepliesQuery,
      response: { 200: MessagePage }
    }
  }, async ({ chatCaller: caller, params, query }) => await chat.replies(caller.userId, params.id, query))

  app.get('/messages/:id/reactions', {
    schema: {
      operationId: 'listReactions',
      tags: ['messages'],
      summary: 'List the reactions to a message, oldest first',
      params: Params,
      querystring: ReactionListQuery,
      response: { 200: ReactionPage },
      errors: ['INVALID_CURSOR', 'UNKNOWN_EMOJI']
    }
  }, async ({ chatCaller: caller, params, query }) => await chat.reactions(caller.userId, params.id, query))

  app.put('/messages/:id/reactions/:emoji', {
    schema: {
      operationId: 'addReaction',
      tags: ['messages'],
      summary: 'React to a message with an emoji',
      params: ReactionParams,
      response: { 200: ReactionAnswer },
      errors: ['REFUSED', 'UNKNOWN_EMOJI', 'BLOCKED', 'POSTING_RESTRICTED', 'MESSAGE_DELETED', 'TOO_MANY_REACTIONS']
    }
  }, async ({ chatCaller: caller, params }) => await chat.react(caller, params.id, params.emoji, true))

  app.delete('/messages/:id/reactions/:emoji', {
    schema: {
      operationId: 'removeReaction',
      tags: ['messages'],
      summary: 'Take back a reaction to a message',
      params: ReactionParams,
      response: { 200: ReactionAnswer },
      errors: ['UNKNOWN_EMOJI', 'BLOCKED', 'POSTING_RESTRICTED', 'MESSAGE_DELETED']
    }
  }, async ({ chatCaller: caller, params }) => await chat.react(caller, params.id, params.emoji, false))

  app.get('/mentions', {
    schema: {
      operationId: 'listMentions',
      tags: ['messages'],
      summary: 'List the messages that mention the caller, newest first',
      querystring: MentionListQuery,
      response: { 200: MentionPage },
      errors: ['INVALID_CURSOR']
    }
  }, async ({ chatCaller: caller, query }) => await chat.mentions(caller.userId, query))

  app.post('/typing', {
    schema: {
      operationId: 'setTyping',
      tags: ['messages'],
      summary: 'Set typing',
      body: TypingBody,
      response: { 200: TypingBody },
      errors: ['NOT_FOUND', 'BLOCKED', 'POSTING_RESTRICTED']
    }
  }, async ({ chatCaller: caller, body }) => await chat.setTyping(caller, body))
}

export default routes
