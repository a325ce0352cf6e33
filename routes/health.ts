import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'

const Liveness = Type.Object({ status: Type.Literal('ok') })
const Readiness = Type.Object({
  status: Type.Union([Type.Literal('ready'), Type.Literal('not ready')]),
  checks: Type.Object({ database: Type.Boolean(), bus: Type.Boolean(), draining: Type.Boolean() })
})

/** How long the database has to answer, in milliseconds. */
const PING_MS = 2000

/** Liveness (the process answers) and readiness (database and bus answer, and it isn't about to stop). */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat, hub } = app

  app.get('/live', {
    logLevel: 'warn',
    config: { rateLimit: false },
    schema: { summary: 'Whether the process answers', security: [], response: { 200: Liveness } }
  }, async () => ({ status: 'ok' as const }))

  app.get('/ready', {
    logLevel: 'warn',
    config: { rateLimit: false },
    schema: { summary: 'Whether the service can do its work', security: [], response: { 200: Readiness, 503: Readiness } }
  }, async (_request, reply) => {
    const checks = { database: await answers(chat.ping()), bus: hub.busConnected, draining: hub.closing }
    const ready = checks.database && checks.bus && !checks.draining
    return await reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', checks })
  })
}

async function answers (work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => { timer = setTimeout(() => { resolve(false) }, PING_MS) })
  const done = work.then(() => true, () => false)
  return await Promise.race([done, late]).finally(() => { clearTimeout(timer) })
}

export default routes
