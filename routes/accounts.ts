import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { whenGone } from '../plugins/gone.js'
import { isoTime } from '../schemas/common.js'
import { LoginBody, RegisterBody, LoginAnswer, type User } from '../schemas/users.js'

/** Register and login, for a server that issues its own tokens. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { accounts } = app.chat
  await accounts.load()

  const answerOf = (user: User): LoginAnswer => {
    const { token, expiresAt } = app.chatAuth.issue(user)
    return { token, expiresAt: isoTime(expiresAt), user }
  }

  app.post('/register', {
    schema: {
      operationId: 'register',
      tags: ['accounts'],
      summary: 'Create an account',
      security: [],
      body: RegisterBody,
      response: { 201: LoginAnswer },
      errors: ['USER_EXISTS', 'TOO_MANY_FAILURES', 'REQUEST_TIMEOUT']
    }
  }, async ({ body, ip }, reply) => {
    const answer = answerOf(await accounts.register(body, { address: ip, signal: whenGone(reply) }))
    reply.code(201)
    return answer
  })

  app.post('/login', {
    schema: {
      operationId: 'login',
      tags: ['accounts'],
      summary: 'Log in to an account and get a token',
      security: [],
      body: LoginBody,
      response: { 200: LoginAnswer },
      errors: ['INVALID_CREDENTIALS', 'TOO_MANY_FAILURES', 'REQUEST_TIMEOUT']
    }
  }, async ({ body, ip }, reply) => answerOf(await accounts.login(body, { address: ip, signal: whenGone(reply) })))
}

export default routes
