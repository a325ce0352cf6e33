import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import chat from '../../app.js'
import { SECRET } from '../chaos/token.js'

/** A JSON Schema, as far as the fuzzer reads it. */
export interface Schema {
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  oneOf?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  minItems?: number
  maxItems?: number
  minLength?: number
  maxLength?: number
  pattern?: string
  minimum?: number
  maximum?: number
  [keyword: string]: unknown
}

/** A route as the app registered it. */
export interface Route {
  /** `POST /api/chat/messages`: names the route in reports. */
  name: string
  method: string
  /** The path with its `:parameters`. */
  url: string
  params: Schema | undefined
  query: Schema | undefined
  body: Schema | undefined
  /** By status, such as `200` or `2xx`. Empty if the route declares none. */
  responses: Record<string, Schema>
}

/** Every route of the app with all options on, read from the app itself: a new route is fuzzed without being listed here. */
export async function readRoutes (): Promise<Route[]> {
  const folder = mkdtempSync(join(tmpdir(), 'fuzz-routes-'))
  // A busy machine takes some time to load all this.
  const app = Fastify({ routerOptions: { maxParamLength: 3600 }, pluginTimeout: 0 })
  const routes: Route[] = []
  app.addHook('onRoute', ({ method, url, schema = {} }) => {
    for (const verb of [method].flat()) {
      routes.push({
        name: `${verb} ${url}`,
        method: verb,
        url,
        params: schema.params as Schema | undefined,
        query: schema.querystring as Schema | undefined,
        body: schema.body as Schema | undefined,
        responses: (schema.response ?? {}) as Record<string, Schema>
      })
    }
  })
  try {
    await app.register(chat, { databaseUrl: `file:${join(folder, 'chat.db')}`, jwt: { secret: SECRET }, accounts: true, files: { dir: join(folder, 'files') }, page: true, health: true, metrics: true })
    await app.ready()
  } finally {
    await app.close()
    rmSync(folder, { recursive: true, force: true })
  }
  return routes
}
