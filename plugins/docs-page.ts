import type { FastifyInstance } from 'fastify'

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

/** Serves the OpenAPI document as a page at `/docs`, unless the host has a page there. Its code is loaded only where it is served. */
export default async function docsPage (app: FastifyInstance): Promise<void> {
  if (app.hasRoute({ method: 'GET', url: `${app.prefix}/docs` })) return
  const { default: swaggerUi } = await import('@fastify/swagger-ui')
  app.addHook('onRoute', route => { route.config = { ...route.config, rateLimit: false } })
  app.addHook('onSend', async (_request, reply) => {
    reply.headers({ 'Referrer-Policy': 'no-referrer', 'X-Content-Type-Options': 'nosniff' })
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    indexPrefix: app.prefix,
    staticCSP: policy,
    theme: { title: 'fastify-sse-chat' },
    uiConfig: { deepLinking: true, displayOperationId: true, docExpansion: 'list', tryItOutEnabled: true }
  })
}
