import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Caller } from '../chat/users.js'
import { askHost, type HostAuthenticate } from './host-caller.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls; set by `chatCallers`. */
    chatCaller: Caller
  }
  interface FastifyInstance {
    chatCallers: ChatCallers
  }
}

export interface ChatCallers {
  /** onRequest hook: sets `request.chatCaller`, and makes the user known. */
  identify(request: FastifyRequest): Promise<void>
  /** Who sends the request; the user need not be known yet. */
  authenticate(request: FastifyRequest): Promise<Caller>
}

export interface CallerOptions {
  /** Takes the place of tokens. */
  authenticate?: HostAuthenticate
}

/** Says who sends a request: a token's user, or whom the host names. */
async function callerPlugin (app: FastifyInstance, { authenticate }: CallerOptions): Promise<void> {
  app.decorateRequest('chatCaller')
  const callers: ChatCallers = {
    async authenticate (request) {
      return authenticate === undefined ? await app.chatAuth.authenticate(request) : await askHost(authenticate, request)
    },
    async identify (request) {
      const caller = await callers.authenticate(request)
      await app.chat.ensureUser(caller)
      request.chatCaller = caller
    }
  }
  app.decorate('chatCallers', callers)
}

export default fp(callerPlugin, { name: 'fastify-sse-chat-caller', fastify: '5.x' })
