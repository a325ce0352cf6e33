import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Actor } from '../chat/actor.js'
import { chatError } from '../errors.js'
import { sharedCount } from './counting.js'
import { askHost, type HostAuthenticate } from './host-caller.js'
import type { RequestCaller, UserCaller } from './request-caller.js'
import { actingFor, bearerKey, readServiceKeys, ServiceKeys } from './service-keys.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller of the request, set by `chatCallers.identify`. */
    chatCaller: RequestCaller
  }
  interface FastifyInstance {
    chatCallers: ChatCallers
  }
}

export interface ChatCallers {
  /** An onRequest hook. Sets `request.chatCaller` and creates or updates the user. */
  identify(request: FastifyRequest, reply: FastifyReply): Promise<void>
  /** Returns the caller of a request. One with a name may not exist as a user yet. */
  authenticate(request: FastifyRequest, reply: FastifyReply): Promise<RequestCaller>
  /** An onRequest hook. Lets operators pass: services with a key, and users whose token says so. @throws UNAUTHORIZED; NOT_FOUND for others */
  admitOperator(request: FastifyRequest, reply: FastifyReply): Promise<void>
  /** Whether the request has the key of a service. */
  isService(request: FastifyRequest): boolean
}

export interface CallerOptions {
  /** Used instead of tokens. */
  authenticate?: HostAuthenticate
  /** `name:key`, in one text or as a list (see service-keys.ts). Default: none. */
  serviceKeys?: string | readonly string[]
}

/** Identifies the caller of a request: by a service key, by a token, or by the host's `authenticate`. */
async function callerPlugin (app: FastifyInstance, { authenticate, serviceKeys }: CallerOptions): Promise<void> {
  const keys = serviceKeys === undefined ? undefined : new ServiceKeys(readServiceKeys(serviceKeys) ?? [], sharedCount(app))
  const keyIn = (request: FastifyRequest): string | undefined => keys === undefined ? undefined : bearerKey(request)

  const userOf = async (request: FastifyRequest): Promise<UserCaller> =>
    authenticate === undefined ? await app.chatAuth.authenticate(request) : await askHost(authenticate, request)

  const serviceOf = async (request: FastifyRequest, reply: FastifyReply, key: string): Promise<Actor['via']> => {
    const service = await keys!.verify(key, request.ip)
    request.log = reply.log = request.log.child({ service })
    return `service:${service}`
  }

  const callers: ChatCallers = {
    async authenticate (request, reply) {
      const key = keyIn(request)
      if (key === undefined) return await userOf(request)
      const via = await serviceOf(request, reply, key)
      const userId = actingFor(request)
      await app.chat.assertUser(userId)
      return { userId, expiresAt: null, via }
    },

    async identify (request, reply) {
      const caller = await callers.authenticate(request, reply)
      if ('displayName' in caller) await app.chat.ensureUser(caller)
      request.chatCaller = caller
    },

    async admitOperator (request, reply) {
      const key = keyIn(request)
      if (key !== undefined) {
        await serviceOf(request, reply, key)
      } else {
        const caller = await userOf(request)
        await app.chat.ensureUser(caller)
        if (!caller.isOperator) throw chatError('NOT_FOUND')
      }
    },

    isService (request) {
      const key = keyIn(request)
      return key !== undefined && keys?.nameOf(key) !== undefined
    }
  }
  app.decorateRequest('chatCaller')
  app.decorate('chatCallers', callers)
}

export default fp(callerPlugin, { name: 'fastify-sse-chat-caller', fastify: '5.x' })
