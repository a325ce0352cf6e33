import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { HubCounters } from '../hub/hub.js'

const counters: Record<keyof HubCounters, [name: string, help: string]> = {
  deliveries: ['chat_events_delivered_total', 'Events written to streams'],
  writes: ['chat_stream_writes_total', 'Writes to streams, each with the events of one turn'],
  bytes: ['chat_stream_bytes_total', 'Bytes written to streams'],
  fellBehind: ['chat_streams_fell_behind_total', 'Times that a stream went over its budget and back to the log'],
  tooSlow: ['chat_streams_too_slow_total', 'Streams closed because their peer took nothing'],
  pages: ['chat_log_pages_total', 'Pages read from the event log'],
  gaps: ['chat_log_gaps_total', 'Gaps in what was heard, filled from the event log'],
  diverged: ['chat_log_diverged_total', 'Times that the event log lacked what had been sent (a failover that lost the newest events)']
}

/** `GET /metrics`, Prometheus text: the process, the requests of this scope by route, and the hub. */
async function metricsPlugin (app: FastifyInstance): Promise<void> {
  const registers = [new Registry()] as const
  const [registry] = registers
  collectDefaultMetrics({ register: registry })
  const { hub } = app

  const gauge = (name: string, help: string, value: () => number): void => {
    // eslint-disable-next-line no-new -- a metric registers itself
    new Gauge({ name, help, registers: [registry], collect () { this.set(value()) } })
  }
  gauge('chat_streams', 'Open streams', () => hub.streamCount)
  gauge('chat_topics', 'Conversations that are followed', () => hub.topicCount)
  gauge('chat_bus_connected', 'Whether the bus to other nodes passes messages', () => Number(hub.busConnected))
  const counter = (name: string, help: string, value: () => number): void => {
    let seen = 0
    // eslint-disable-next-line no-new -- a metric registers itself
    new Counter({ name, help, registers: [registry], collect () { this.inc(value() - seen); seen = value() } })
  }
  for (const [key, [name, help]] of Object.entries(counters) as Array<[keyof HubCounters, [string, string]]>) {
    counter(name, help, () => hub.counters[key])
  }
  const keys = app.hasDecorator('chatAuth') ? app.chatAuth.keys : undefined
  if (keys !== undefined) {
    gauge('chat_jwks_age_seconds', 'Age of the key provider\'s keys; infinite before the first', () => keys.ageMs / 1000)
    counter('chat_jwks_errors_total', 'Fetches of the key provider\'s keys that failed', () => keys.errors)
  }
  const seconds = new Histogram({
    name: 'chat_request_duration_seconds',
    help: 'Duration of requests, by the route\'s pattern',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry]
  })
  app.addHook('onResponse', async (request, reply) => {
    seconds.observe({ method: request.method, route: request.routeOptions.url ?? 'unknown', status: reply.statusCode }, reply.elapsedTime / 1000)
  })

  app.get('/metrics', { logLevel: 'warn', config: { rateLimit: false }, schema: { hide: true } }, async (_request, reply) => {
    reply.type(registry.contentType)
    return await registry.metrics()
  })
}

export default fp(metricsPlugin, { name: 'fastify-sse-chat-metrics', fastify: '5.x' })
