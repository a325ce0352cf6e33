import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { whenGone } from '../plugins/gone.js'
import { isoTime } from '../schemas/common.js'
import { LoginBody, RegisterBody, Session, type User } from '../schemas/users.js'

/** Register and login, for a server that issues its own tokens. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { accounts } = app.chat
  await accounts.load()

  const sessionOf = (user: User): Session => {
    const { token, expiresAt } = app.chatAuth.issue(user)
    return { token, expiresAt: isoTime(expiresAt), user }
  }

  app.post('/register', {
    schema: { summary: 'Create an account', security: [], body: RegisterBody, response: { 201: Session } }
  }, async ({ body, ip }, reply) =>
    await reply.code(201).send(sessionOf(await accounts.register(body, { address: ip, signal: whenGone(reply) }))))

  app.post('/login', {
    schema: { summary: 'Log in to an account and get a token', security: [], body: LoginBody, response: { 200: Session } }
  }, async ({ body, ip }, reply) => sessionOf(await accounts.login(body, { address: ip, signal: whenGone(reply) })))
}

export default routes
