import { subscribe } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import { refusalsOf } from '../plugins/openapi/refusals.js'
import type { ErrorCode } from '../schemas/errors.js'

/** Refusals that the routes of an app do not name in their schema, and so not in the document. */
const undocumented = new WeakMap<FastifyInstance, Set<string>>()

// Before the routes of an app are added, which inherit its hooks.
subscribe('fastify.initialization', message => {
  const { fastify: app } = message as { fastify: FastifyInstance }
  const found = new Set<string>()
  undocumented.set(app, found)
  app.addHook('onSend', async ({ routeOptions: { method, url, schema } }, { statusCode }, payload) => {
    if (schema?.operationId === undefined || statusCode < 400 || statusCode >= 500 || typeof payload !== 'string') return
    const { code } = JSON.parse(payload) as { code: ErrorCode }
    if (!refusalsOf(method === 'HEAD' ? 'GET' : String(method), schema).includes(code)) found.add(`${String(method)} ${url} answers ${code}, which its schema does not name in errors`)
  })
})

/** Every refusal that a test gets from an app is one that the document has. */
export function assertDocumented (app: FastifyInstance): void {
  const found = undocumented.get(app)
  if (found !== undefined && found.size > 0) throw new Error([...found].join('\n'))
}
