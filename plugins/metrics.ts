import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type {} from './chat.js'
import type { HubCounters } from '../hub/counters.js'
import { elapsedMs } from '../time.js'
import type { KeyProvider } from './key-provider.js'

declare module 'fastify' {
  interface FastifyInstance {
    chatMetrics: ChatMetrics
  }
}

/** The chat's metrics. */
export interface ChatMetrics {
  contentType: string
  /** The metrics in the Prometheus text format, at most a second old. Collecting takes some 20 ms of CPU, and needs no login. */
  text(): Promise<string>
  /** Adds the age of a key provider's keys, and how often fetching them has failed. */
  watchKeys(keys: Pick<KeyProvider, 'ageMs' | 'errors'>): void
  /** Records a request that has been answered. */
  observe(method: string, route: string, status: number, seconds: number): void
}

const CACHE_MS = 1000

const counters: Record<keyof HubCounters, [name: string, help: string]> = {
  deliveries: ['chat_events_delivered_total', 'Events written to streams'],
  writes: ['chat_stream_writes_total', 'Writes to streams, each with the events of one turn'],
  bytes: ['chat_stream_bytes_total', 'Bytes written to streams'],
  fellBehind: ['chat_streams_fell_behind_total', 'Times that a stream exceeded its buffer and went back to reading the log'],
  tooSlow: ['chat_streams_too_slow_total', 'Streams closed because their peer read nothing'],
  pages: ['chat_log_pages_total', 'Pages read from the event log'],
  gaps: ['chat_log_gaps_total', 'Gaps in the events from other nodes that were filled from the event log'],
  diverged: ['chat_log_diverged_total', 'Times that the event log lacked events that had been sent (a failover that lost the newest events)']
}

/** A registry of prom-client, whichever copy of it the host has. */
export interface MetricsRegistry {
  readonly contentType: string
  registerMetric(metric: never): void
  removeSingleMetric(name: string): void
  metrics(): Promise<string>
}

/**
 * Decorates the instance with the metrics of the hub and the requests. They are in a registry of their own, with those of the process, or in
 * the host's. The route is in `routes/metrics.ts`.
 */
async function metricsPlugin (app: FastifyInstance, { registry: given }: { registry?: MetricsRegistry }): Promise<void> {
  const own = new Registry()
  const registry = given ?? own
  const registers = given === undefined ? [own] : [given as Registry, own]
  if (given === undefined) collectDefaultMetrics({ register: own })
  // The host's registry may outlive the app. What it had already was refused, and is not in the own one.
  app.addHook('onClose', async () => { for (const { name } of own.getMetricsAsArray()) given?.removeSingleMetric(name) })
  const { hub } = app

  const gauge = (name: string, help: string, value: () => number): void => {
    // eslint-disable-next-line no-new -- a metric registers itself
    new Gauge({ name, help, registers, collect () { this.set(value()) } })
  }
  gauge('chat_streams', 'Open streams', () => hub.streamCount)
  gauge('chat_topics', 'Conversations that open streams follow', () => hub.topicCount)
  gauge('chat_bus_connected', 'Whether the bus to other nodes is connected (1 or 0)', () => Number(hub.busConnected))
  // eslint-disable-next-line no-new -- a metric registers itself
  new Gauge({
    name: 'chat_follower_behind',
    help: 'Transactions of the event log that a follower has not come to, by its name',
    labelNames: ['name'],
    registers,
    async collect () {
      this.reset()
      const { followers } = app.chat
      for (const { name, position } of await followers.rows()) this.set({ name }, followers.behind(position))
    }
  })
  const tried: Record<string, number> = {}
  // eslint-disable-next-line no-new -- a metric registers itself
  new Counter({
    name: 'chat_webhook_tries_total',
    help: 'Requests to webhooks by result: delivered, refused (4xx), failed',
    labelNames: ['result'],
    registers,
    collect () {
      for (const [result, tries] of Object.entries(app.chat.webhooks.tries)) {
        this.inc({ result }, tries - (tried[result] ?? 0))
        tried[result] = tries
      }
    }
  })
  const counter = (name: string, help: string, value: () => number): void => {
    let seen = 0
    // eslint-disable-next-line no-new -- a metric registers itself
    new Counter({ name, help, registers, collect () { this.inc(value() - seen); seen = value() } })
  }
  for (const [key, [name, help]] of Object.entries(counters) as Array<[keyof HubCounters, [string, string]]>) {
    counter(name, help, () => hub.counters[key])
  }
  const { counters: pending } = app.chat.pending
  counter('chat_pending_sent_total', 'Messages enqueued by the host that were sent', () => pending.sent)
  counter('chat_pending_refused_total', 'Messages enqueued by the host that were refused', () => pending.refused)
  const seconds = new Histogram({
    name: 'chat_request_duration_seconds',
    help: 'Duration of requests by method, route pattern and status',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers
  })

  app.decorate('chatMetrics', {
    contentType: registry.contentType,
    text: keptFor(CACHE_MS, async () => await registry.metrics()),
    watchKeys (keys) {
      gauge('chat_jwks_age_seconds', 'Age of the key provider\'s keys, infinite if they were never fetched', () => keys.ageMs / 1000)
      counter('chat_jwks_errors_total', 'Failed fetches of the key provider\'s keys', () => keys.errors)
    },
    observe (method, route, status, took) {
      seconds.observe({ method, route, status }, took)
    }
  })
}

/** Caches the result for some milliseconds. A failure is not cached. */
function keptFor (ms: number, make: () => Promise<string>): () => Promise<string> {
  let kept: { text: Promise<string>, at: number } | undefined
  return async () => {
    const now = elapsedMs()
    if (kept === undefined || now - kept.at >= ms) {
      const mine = kept = { text: make(), at: now }
      mine.text.catch(() => { if (kept === mine) kept = undefined })
    }
    return await kept.text
  }
}

export default fp(metricsPlugin, { name: 'fastify-sse-chat-metrics', fastify: '5.x', dependencies: ['fastify-sse-chat-chat'] })
