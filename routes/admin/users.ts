import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { chatError } from '../../errors.js'
import { isoTime, UserId } from '../../schemas/common.js'
import { IssuedToken, TokenBody, UserBody, UserListQuery, UserPage, UserProfile } from '../../schemas/users.js'

const Params = Type.Object({ id: UserId })

/** All users, for operators. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { administration } = app.chat

  app.put('/users/:id', {
    schema: {
      operationId: 'putUser',
      tags: ['admin'],
      summary: 'Create a user, or change how the user is shown',
      params: Params,
      body: UserBody,
      response: { 200: UserProfile, 201: UserProfile },
      errors: ['METADATA_TOO_LARGE']
    }
  }, async ({ params, body }, reply) => {
    const { user, created } = await administration.putUser(params.id, body)
    reply.code(created ? 201 : 200)
    return user
  })

  app.get('/users', {
    schema: {
      operationId: 'listUsers',
      tags: ['admin'],
      summary: 'List all users by id, or by name those whom a query finds',
      querystring: UserListQuery,
      response: { 200: UserPage },
      errors: ['INVALID_CURSOR']
    }
  }, async ({ query }) => await administration.users(query))

  app.get('/users/:id', {
    schema: {
      operationId: 'getAnyUser',
      tags: ['admin'],
      summary: 'Get a user\'s profile',
      params: Params,
      response: { 200: UserProfile }
    }
  }, async ({ params }) => await administration.user(params.id))

  app.post('/users/:id/token', {
    schema: {
      operationId: 'issueToken',
      tags: ['admin'],
      summary: 'Issue a token for a user, where the service signs tokens itself',
      params: Params,
      body: TokenBody,
      response: { 200: IssuedToken },
      errors: ['FEATURE_OFF']
    },
    preValidation: async () => { if (!app.hasDecorator('chatAuth') || !app.chatAuth.canIssue) throw chatError('FEATURE_OFF') }
  }, async ({ params, body }) => {
    const { token, expiresAt } = app.chatAuth.issue(await administration.user(params.id), body.expiresInSeconds)
    return { token, expiresAt: isoTime(expiresAt) }
  })
}

export default routes
