import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Caller } from '../chat/users.js'
import { chatError } from '../errors.js'
import { isWebUrl, LAST_INSTANT_MS } from './auth.js'

/** A host's own way to tell who calls. */
export interface HostCaller {
  userId: string
  displayName?: string | null
  /** http(s) URL. */
  avatar?: string | null
  /** Epoch milliseconds at which streams of this caller end; none: never. */
  expiresAt?: number | null
}

/** Null or a throw refuses the request; a thrown error with a `statusCode` below 500 keeps its status. */
export type HostAuthenticate = (request: FastifyRequest) => HostCaller | null | Promise<HostCaller | null>

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
      return authenticate === undefined ? await app.chatAuth.authenticate(request) : callerOf(await authenticate(request))
    },
    async identify (request) {
      const caller = await callers.authenticate(request)
      await app.chat.ensureUser(caller)
      request.chatCaller = caller
    }
  }
  app.decorate('chatCallers', callers)
}

function callerOf (host: HostCaller | null): Caller {
  if (host === null) throw chatError('UNAUTHORIZED')
  const { userId, displayName, avatar, expiresAt } = host
  return {
    userId,
    displayName: displayName ?? null,
    avatar: avatar != null && isWebUrl(avatar) ? avatar : null,
    issuedAt: null,
    expiresAt: expiresAt == null || expiresAt > LAST_INSTANT_MS ? null : Math.floor(expiresAt)
  }
}

export default fp(callerPlugin, { name: 'fastify-sse-chat-caller', fastify: '5.x' })
