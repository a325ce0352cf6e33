import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { OnlineStatusAnswer, OnlineStatusBody, User } from '../schemas/users.js'

/** The caller themself. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.get('/me', {
    schema: { summary: 'Who I am', response: { 200: User } }
  }, async ({ chatCaller: caller }) => await chat.user(caller.userId))

  app.put('/status/online', {
    schema: { summary: 'Say that one is online, or hide', body: OnlineStatusBody, response: { 200: OnlineStatusAnswer } }
  }, async ({ chatCaller: caller, body }) => await chat.setOnline(caller.userId, body))
}

export default routes
