import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { UserId } from '../schemas/common.js'
import { OnlineStatusAnswer, OnlineStatusBody, ProfileBody, UserProfile } from '../schemas/users.js'

/** The caller's own profile and online status, and the profiles of those who share a conversation with the caller. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.get('/me', {
    schema: { summary: 'Get the caller\'s profile', response: { 200: UserProfile } }
  }, async ({ chatCaller: caller }) => await chat.user(caller.userId))

  app.patch('/me', {
    schema: { summary: 'Change the caller\'s name, picture or metadata', body: ProfileBody, response: { 200: UserProfile } }
  }, async ({ chatCaller: caller, body }) => await chat.changeProfile(caller.userId, body))

  app.get('/users/:id', {
    schema: {
      summary: 'Get the profile of a user who shares a conversation with the caller',
      params: Type.Object({ id: UserId }),
      response: { 200: UserProfile }
    }
  }, async ({ chatCaller: caller, params }) => await chat.user(caller.userId, params.id))

  app.put('/status/online', {
    schema: { summary: 'Set the caller\'s online status', body: OnlineStatusBody, response: { 200: OnlineStatusAnswer } }
  }, async ({ chatCaller: caller, body }) => await chat.setOnline(caller.userId, body))
}

export default routes
