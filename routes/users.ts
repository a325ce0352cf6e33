import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { UserId } from '../schemas/common.js'
import { DirectoryQuery, OnlineStatusAnswer, OnlineStatusBody, OwnProfile, ProfileBody, UserPage, UserProfile } from '../schemas/users.js'

/** The caller's own profile and online status, and the profiles of those who share a conversation with the caller. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.get('/me', {
    schema: {
      operationId: 'getMe',
      tags: ['users'],
      summary: 'Get the caller\'s profile, and what is unread in all their conversations',
      response: { 200: OwnProfile }
    }
  }, async ({ chatCaller: caller }) => await chat.me(caller.userId))

  app.patch('/me', {
    schema: {
      operationId: 'updateMe',
      tags: ['users'],
      summary: 'Change the caller\'s name, picture or metadata',
      body: ProfileBody,
      response: { 200: OwnProfile },
      errors: ['FORBIDDEN', 'METADATA_TOO_LARGE']
    }
  }, async ({ chatCaller: caller, body }) => await chat.changeProfile(caller.userId, body))

  app.get('/users/:id', {
    schema: {
      operationId: 'getUser',
      tags: ['users'],
      summary: 'Get the profile of a user who shares a conversation with the caller',
      params: Type.Object({ id: UserId }),
      response: { 200: UserProfile }
    }
  }, async ({ chatCaller: caller, params }) => await chat.user(caller.userId, params.id))

  app.get('/users', {
    schema: {
      operationId: 'findUsers',
      tags: ['users'],
      summary: 'Find users by the beginning of a word of their name, or of their id',
      querystring: DirectoryQuery,
      response: { 200: UserPage },
      errors: ['INVALID_CURSOR', 'FEATURE_OFF']
    },
    // A directory that is off does not look at the query.
    preValidation: async () => { chat.directory.assertOn() }
  }, async ({ chatCaller: caller, query }) => {
    await chat.directory.admit(caller.userId)
    return await chat.searchUsers(caller.userId, query)
  })

  app.put('/status/online', {
    schema: {
      operationId: 'setOnlineStatus',
      tags: ['users'],
      summary: 'Set the caller\'s online status',
      body: OnlineStatusBody,
      response: { 200: OnlineStatusAnswer }
    }
  }, async ({ chatCaller: caller, body }) => await chat.setOnline(caller.userId, body))
}

export default routes
