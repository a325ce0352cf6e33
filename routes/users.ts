import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { OnlineStatusAnswer, OnlineStatusBody, User } from '../schemas/users.js'

/** The caller's own profile and online status. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.get('/me', {
    schema: { summary: 'Get the caller\'s profile', response: { 200: User } }
  }, async ({ chatCaller: caller }) => await chat.user(caller.userId))

  app.put('/status/online', {
    schema: { summary: 'Set the caller\'s online status', body: OnlineStatusBody, response: { 200: OnlineStatusAnswer } }
  }, async ({ chatCaller: caller, body }) => await chat.setOnline(caller.userId, body))
}

export default routes
