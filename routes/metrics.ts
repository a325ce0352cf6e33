import type { FastifyPluginAsync } from 'fastify'
import type { ChatMetrics } from '../plugins/metrics.js'

/** `GET /metrics` in the Prometheus text format. */
const routes: FastifyPluginAsync<{ metrics: ChatMetrics }> = async (app, { metrics }) => {
  app.get('/metrics', { logLevel: 'warn', config: { rateLimit: false }, schema: { hide: true } }, async (_request, reply) => {
    reply.type(metrics.contentType)
    return await metrics.text()
  })
}

export default routes
