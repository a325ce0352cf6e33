import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { ConversationId, UserId } from '../schemas/common.js'
import {
  AddParticipantsBody, ChangeRoleBody, ChangesPage, ChangesQuery, Conversation, ConversationListQuery, ConversationPage, CreateConversationBody,
  OwnStateAnswer, ReadAnswer, ReadBody, UpdateConversationBody, UpdateOwnStateBody
} from '../schemas/conversations.js'
import { HistoryQuery, MessagePage } from '../schemas/messages.js'

const Params = Type.Object({ id: ConversationId })
const ParticipantParams = Type.Object({ id: ConversationId, userId: UserId })

/** Conversations of the caller. A conversation of others is answered like one that does not exist. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.post('/conversations', {
    schema: {
      operationId: 'createConversation',
      tags: ['conversations'],
      summary: 'Create a conversation',
      body: CreateConversationBody,
      response: { 200: Conversation, 201: Conversation },
      errors: ['REFUSED', 'SELF_CONVERSATION', 'GROUP_TOO_LARGE', 'BLOCKED', 'UNKNOWN_USER', 'TOO_MANY_CONVERSATIONS', 'TOO_MANY_GROUPS']
    }
  }, async ({ chatCaller: caller, body }, reply) => {
    const { conversation, created } = await chat.createConversation(caller, body)
    reply.code(created ? 201 : 200)
    return conversation
  })

  app.get('/conversations', {
    schema: {
      operationId: 'listConversations',
      tags: ['conversations'],
      summary: 'List the caller\'s conversations, latest activity first',
      querystring: ConversationListQuery,
      response: { 200: ConversationPage },
      errors: ['INVALID_CURSOR']
    }
  }, async ({ chatCaller: caller, query }) => await chat.conversations(caller.userId, query))

  app.get('/conversations/:id', {
    schema: {
      operationId: 'getConversation',
      tags: ['conversations'],
      summary: 'Get a conversation',
      params: Params,
      response: { 200: Conversation }
    }
  }, async ({ chatCaller: caller, params }) => await chat.conversation(caller.userId, params.id))

  app.patch('/conversations/:id', {
    schema: {
      operationId: 'updateConversation',
      tags: ['conversations'],
      summary: 'Change a conversation\'s title, picture, description, metadata or settings',
      params: Params,
      body: UpdateConversationBody,
      response: { 200: Conversation },
      errors: ['REFUSED', 'METADATA_TOO_LARGE', 'FORBIDDEN', 'BLOCKED', 'FEATURE_OFF', 'NOT_A_GROUP']
    }
  }, async ({ chatCaller: caller, params, body }) => await chat.updateConversation(caller, params.id, body))

  app.delete('/conversations/:id', {
    schema: {
      operationId: 'deleteConversation',
      tags: ['conversations'],
      summary: 'Delete a group with all that belongs to it',
      params: Params,
      response: { 204: Type.Null() },
      errors: ['FORBIDDEN', 'NOT_A_GROUP']
    }
  }, async ({ chatCaller: caller, params }, reply) => {
    await chat.deleteConversation(caller.userId, params.id)
    return await reply.code(204).send(null)
  })

  app.patch('/conversations/:id/me', {
    schema: {
      operationId: 'updateOwnState',
      tags: ['conversations'],
      summary: 'Change the caller\'s own state of a conversation: muted, archived, favourite, what notifies, marked as unread',
      params: Params,
      body: UpdateOwnStateBody,
      response: { 200: OwnStateAnswer }
    }
  }, async ({ chatCaller: caller, params, body }) => await chat.updateOwnState(caller.userId, params.id, body))

  app.get('/conversations/:id/changes', {
    schema: {
      operationId: 'listChanges',
      tags: ['conversations'],
      summary: 'List changes of the conversation itself, in ascending order',
      params: Params,
      querystring: ChangesQuery,
      response: { 200: ChangesPage }
    }
  }, async ({ chatCaller: caller, params, query }) => await chat.changes(caller.userId, params.id, query))

  app.get('/conversations/:id/messages', {
    schema: {
      operationId: 'listMessages',
      tags: ['conversations'],
      summary: 'List messages in ascending order',
      params: Params,
      querystring: HistoryQuery,
      response: { 200: MessagePage }
    }
  }, async ({ chatCaller: caller, params, query }) => await chat.messages(caller.userId, params.id, query))

  app.put('/conversations/:id/read', {
    schema: {
      operationId: 'markRead',
      tags: ['conversations'],
      summary: 'Mark all messages up to a seq as read',
      params: Params,
      body: ReadBody,
      response: { 200: ReadAnswer }
    }
  }, async ({ chatCaller: caller, params, body }) => await chat.markRead(caller.userId, params.id, body))

  app.post('/conversations/:id/participants', {
    schema: {
      operationId: 'addParticipants',
      tags: ['conversations'],
      summary: 'Add participants to a group',
      params: Params,
      body: AddParticipantsBody,
      response: { 200: Conversation },
      errors: ['REFUSED', 'GROUP_TOO_LARGE', 'FORBIDDEN', 'NOT_A_GROUP', 'UNKNOWN_USER', 'TOO_MANY_CONVERSATIONS']
    }
  }, async ({ chatCaller: caller, params, body }) => await chat.addParticipants(caller, params.id, body))

  app.put('/conversations/:id/participants/:userId', {
    schema: {
      operationId: 'changeRole',
      tags: ['conversations'],
      summary: 'Change a participant\'s role',
      params: ParticipantParams,
      body: ChangeRoleBody,
      response: { 200: Conversation },
      errors: ['FORBIDDEN', 'NOT_A_GROUP']
    }
  }, async ({ chatCaller: caller, params, body }) => await chat.changeRole(caller.userId, params.id, params.userId, body))

  app.delete('/conversations/:id/participants/:userId', {
    schema: {
      operationId: 'removeParticipant',
      tags: ['conversations'],
      summary: 'Remove a participant, or leave the conversation',
      params: ParticipantParams,
      response: { 204: Type.Null() },
      errors: ['REFUSED', 'FORBIDDEN', 'NOT_A_GROUP']
    }
  }, async ({ chatCaller: caller, params }, reply) => {
    await chat.removeParticipant(caller, params.id, params.userId)
    return await reply.code(204).send(null)
  })
}

export default routes
