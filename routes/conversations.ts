import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { ConversationId, UserId } from '../schemas/common.js'
import {
  AddParticipantsBody, ChangeRoleBody, ChangesPage, ChangesQuery, Conversation, ConversationListQuery, ConversationPage, CreateConversationBody,
  ReadAnswer, ReadBody, UpdateConversationBody
} from '../schemas/conversations.js'
import { HistoryQuery, MessagePage } from '../schemas/messages.js'

const Params = Type.Object({ id: ConversationId })
const ParticipantParams = Type.Object({ id: ConversationId, userId: UserId })

/** Conversations of the caller. A conversation of others is answered like one that does not exist. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.post('/conversations', {
    schema: { summary: 'Create a conversation', body: CreateConversationBody, response: { 200: Conversation, 201: Conversation } }
  }, async ({ chatCaller: caller, body }, reply) => {
    const { conversation, created } = await chat.createConversation(caller.userId, body)
    return await reply.code(created ? 201 : 200).send(conversation)
  })

  app.get('/conversations', {
    schema: {
      summary: 'List the caller\'s conversations, latest activity first',
      querystring: ConversationListQuery,
      response: { 200: ConversationPage }
    }
  }, async ({ chatCaller: caller, query }) => await chat.conversations(caller.userId, query))

  app.get('/conversations/:id', {
    schema: { summary: 'Get a conversation', params: Params, response: { 200: Conversation } }
  }, async ({ chatCaller: caller, params }) => await chat.conversation(caller.userId, params.id))

  app.patch('/conversations/:id', {
    schema: {
      summary: 'Change a conversation\'s title, picture, description, metadata or settings',
      params: Params,
      body: UpdateConversationBody,
      response: { 200: Conversation }
    }
  }, async ({ chatCaller: caller, params, body }) => await chat.updateConversation(caller.userId, params.id, body))

  app.delete('/conversations/:id', {
    schema: { summary: 'Delete a group with all that belongs to it', params: Params, response: { 204: Type.Null() } }
  }, async ({ chatCaller: caller, params }, reply) => {
    await chat.deleteConversation(caller.userId, params.id)
    return await reply.code(204).send(null)
  })

  app.get('/conversations/:id/changes', {
    schema: {
      summary: 'List changes of the conversation itself, in ascending order',
      params: Params,
      querystring: ChangesQuery,
      response: { 200: ChangesPage }
    }
  }, async ({ chatCaller: caller, params, query }) => await chat.changes(caller.userId, params.id, query))

  app.get('/conversations/:id/messages', {
    schema: { summary: 'List messages in ascending order', params: Params, querystring: HistoryQuery, response: { 200: MessagePage } }
  }, async ({ chatCaller: caller, params, query }) => await chat.messages(caller.userId, params.id, query))

  app.put('/conversations/:id/read', {
    schema: { summary: 'Mark all messages up to a seq as read', params: Params, body: ReadBody, response: { 200: ReadAnswer } }
  }, async ({ chatCaller: caller, params, body }) => await chat.markRead(caller.userId, params.id, body))

  app.post('/conversations/:id/participants', {
    schema: { summary: 'Add participants to a group', params: Params, body: AddParticipantsBody, response: { 200: Conversation } }
  }, async ({ chatCaller: caller, params, body }) => await chat.addParticipants(caller.userId, params.id, body))

  app.put('/conversations/:id/participants/:userId', {
    schema: { summary: 'Change a participant\'s role', params: ParticipantParams, body: ChangeRoleBody, response: { 200: Conversation } }
  }, async ({ chatCaller: caller, params, body }) => await chat.changeRole(caller.userId, params.id, params.userId, body))

  app.delete('/conversations/:id/participants/:userId', {
    schema: { summary: 'Remove a participant, or leave the conversation', params: ParticipantParams, response: { 204: Type.Null() } }
  }, async ({ chatCaller: caller, params }, reply) => {
    await chat.removeParticipant(caller.userId, params.id, params.userId)
    return await reply.code(204).send(null)
  })
}

export default routes
