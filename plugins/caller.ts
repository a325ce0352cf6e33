import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Caller } from '../chat/users.js'
import { askHost, type HostAuthenticate } from './host-caller.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller of the request, set by `chatCallers.identify`. */
    chatCaller: Caller
  }
  interface FastifyInstance {
    chatCallers: ChatCallers
  }
}

export interface ChatCallers {
  /** An onRequest hook. Sets `request.chatCaller` and creates or updates the user. */
  identify(request: FastifyRequest): Promise<void>
  /** Returns the caller of a request, who may not exist as a user yet. */
  authenticate(request: FastifyRequest): Promise<Caller>
}

export interface CallerOptions {
  /** Used instead of tokens. */
  authenticate?: HostAuthenticate
}

/** Identifies the caller of a request, by a token or by the host's `authenticate`. */
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
