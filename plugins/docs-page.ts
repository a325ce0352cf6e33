import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** The page may load only its own files and call only the service that it came from. */
const policy = {
  'default-src': '\'none\'',
  'script-src': '\'self\'',
  // The hash of the only style that Swagger UI 6.0.0 inserts
  'style-src': '\'self\' \'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w=\'',
  'connect-src': '\'self\'',
  'img-src': '\'self\' data:',
  'base-uri': '\'none\'',
  'form-action': '\'none\'',
  'frame-ancestors': '\'none\''
}

/** What a connection's answer says of the connection, and not of the content (RFC 9110, section 7.6.1). */
const ofTheConnection = ['connection', 'keep-alive', 'date', 'transfer-encoding']

/**
 * Serves the OpenAPI document as a page at `/docs`, unless the host has a page there. The page is an app of its own, made at the
 * first request: loading Swagger UI would take a tenth of each start.
 */
export default async function docsPage (app: FastifyInstance): Promise<void> {
  if (app.hasRoute({ method: 'GET', url: `${app.prefix}/docs` })) return
  let page: Promise<FastifyInstance> | undefined
  app.addHook('onClose', async () => { await (await page)?.close() })
  for (const url of ['/docs', '/docs/*']) {
    app.get(url, { schema: { hide: true }, config: { rateLimit: false } }, async ({ method, raw, headers: asked }, reply) => {
      const { inject } = await (page ??= makePage(app.prefix, app.swagger))
      const { statusCode, headers, rawPayload } = await inject({ method: method as 'GET' | 'HEAD', url: raw.url!, headers: asked })
      if (statusCode === 404) return reply.callNotFound()
      for (const name of ofTheConnection) delete headers[name]
      reply.headers({ ...headers, 'Referrer-Policy': 'no-referrer', 'X-Content-Type-Options': 'nosniff' })
      return reply.code(statusCode).send(rawPayload)
    })
  }
}

async function makePage (prefix: string, document: FastifyInstance['swagger']): Promise<FastifyInstance> {
  const { default: swaggerUi } = await import('@fastify/swagger-ui')
  const page = Fastify({ logger: false })
  // Swagger UI asks for the plugin by its name.
  await page.register(fp(async page => { page.decorate('swagger', document) }, { name: '@fastify/swagger' }))
  await page.register(swaggerUi, {
    routePrefix: `${prefix}/docs`,
    staticCSP: policy,
    theme: { title: 'fastify-sse-chat' },
    uiConfig: { deepLinking: true, displayOperationId: true, docExpansion: 'list', tryItOutEnabled: true }
  })
  await page.ready()
  return page
}
