import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { ChatAuth } from '../plugins/auth.js'

const Liveness = Type.Object({ status: Type.Literal('ok') })
const Readiness = Type.Object({
  status: Type.Union([Type.Literal('ready'), Type.Literal('not ready')]),
  checks: Type.Object({
    database: Type.Boolean(),
    bus: Type.Boolean(),
    draining: Type.Boolean(),
    keys: Type.Optional(Type.Boolean({ description: 'Whether tokens can be verified. Present if a key provider is configured' }))
  }),
  keyProvider: Type.Optional(Type.Object({
    status: Type.Union([Type.Literal('up'), Type.Literal('away')]),
    keysAgeSeconds: Type.Union([Type.Integer(), Type.Null()], {
      description: 'Seconds since the keys were fetched; null if they never were. Keys stay valid for 24 hours while the provider is away'
    })
  }))
})

/** How long readiness waits for the database, in milliseconds. */
const PING_MS = 2000

/** Liveness (the process answers) and readiness (the database and the bus answer, tokens can be verified, and the process is not stopping). */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat, hub } = app
  const keys = app.hasDecorator('chatAuth') ? app.chatAuth.keys : undefined

  app.get('/live', {
    logLevel: 'warn',
    config: { rateLimit: false },
    schema: {
      operationId: 'getLiveness',
      tags: ['health'],
      summary: 'Check that the process answers',
      security: [],
      response: { 200: Liveness }
    }
  }, async () => ({ status: 'ok' as const }))

  app.get('/ready', {
    logLevel: 'warn',
    config: { rateLimit: false },
    schema: {
      operationId: 'getReadiness',
      tags: ['health'],
      summary: 'Check that the service is ready for requests',
      security: [],
      response: { 200: Readiness, 503: Readiness }
    }
  }, async (_request, reply) => {
    const checks = {
      database: await answers(chat.ping()),
      bus: hub.busConnected,
      draining: hub.closing,
      ...(keys === undefined ? {} : { keys: keys.isUsable })
    }
    const ready = checks.database && checks.bus && !checks.draining && checks.keys !== false
    reply.code(ready ? 200 : 503)
    return {
      status: ready ? 'ready' as const : 'not ready' as const,
      checks,
      ...(keys === undefined ? {} : { keyProvider: statusOf(keys) })
    }
  })
}

function statusOf ({ isAway, ageMs }: NonNullable<ChatAuth['keys']>): { status: 'up' | 'away', keysAgeSeconds: number | null } {
  return { status: isAway ? 'away' : 'up', keysAgeSeconds: Number.isFinite(ageMs) ? Math.floor(ageMs / 1000) : null }
}

async function answers (work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => { timer = setTimeout(() => { resolve(false) }, PING_MS) })
  const done = work.then(() => true, () => false)
  return await Promise.race([done, late]).finally(() => { clearTimeout(timer) })
}

export default routes
