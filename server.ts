#!/usr/bin/env node
import type { FastifyInstance } from 'fastify'
import { ConfigError, readConfig, type Config } from './config.js'
import { PackageError } from './packages.js'
import { isBelowNpmStart, onParentGone } from './parent.js'
import { DatabaseError } from './store/database.js'
import { leaveLostTerminal } from './terminal.js'
import { elapsedMs } from './time.js'

/** Time from the first signal to the exit, and the part of it that requests in flight may take, in milliseconds. */
const SHUTDOWN_MS = 9000
const DRAIN_MS = 6000
/** Under npm, a signal to the process group (Ctrl-C) arrives twice within this time, in milliseconds, because npm passes it on. */
const SAME_SIGNAL_MS = 1000
/**
 * Maximum number of connections that wait to be accepted. Node.js accepts one per turn of the event loop. When thousands reconnect
 * at once, the default of 511 would leave most of them to TCP retries at growing intervals. The kernel has a limit of its own
 * (Linux: net.core.somaxconn, 4,096).
 */
const BACKLOG = 65_535

/** Counts requests in flight. While the server is stopping, each connection is closed after its request. */
function countRequests ({ server }: FastifyInstance, stopping: () => boolean): () => number {
  let count = 0
  server.prependListener('request', (_request, response) => {
    count++
    if (stopping()) response.setHeader('Connection', 'close')
    response.once('close', () => { count-- })
  })
  return () => count
}

async function main (): Promise<void> {
  const config = readConfig(process.env)
  // Loaded after the configuration has been checked, so that an invalid value is reported at once.
  const { buildServer, buildMetricsServer } = await import('./standalone.js')
  const app = await buildServer(config)
  const metrics = config.metricsPort === undefined ? undefined : await buildMetricsServer(config, app)
  let stoppingSince: number | undefined
  const inFlight = countRequests(app, () => stoppingSince !== undefined)

  const stop = async (reason: string): Promise<void> => {
    if (stoppingSince !== undefined) {
      // A second signal ends the process at once.
      if (!isBelowNpmStart(process.env) || elapsedMs() - stoppingSince > SAME_SIGNAL_MS) process.exit(1)
      return
    }
    stoppingSince = elapsedMs()
    leaveLostTerminal()
    app.log.info(`${reason}: shutting down`)
    setTimeout(() => { process.exit(0) }, SHUTDOWN_MS).unref()
    // Streams are told to reconnect. Requests in flight, and new ones in the meantime, are answered.
    await app.hub.endAll('shutdown')
    const deadline = elapsedMs() + DRAIN_MS
    while (inFlight() > 0 && elapsedMs() < deadline) await new Promise(resolve => setTimeout(resolve, 20))
    // Requests that are still open would delay closing the database.
    app.server.closeAllConnections()
    await app.close()
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => { void stop(signal) })
  onParentGone(() => { if (stoppingSince === undefined) void stop('npm has exited') })

  if (metrics !== undefined) {
    await metrics.listen({ host: config.host, port: config.metricsPort ?? 0 })
      .catch((error: unknown) => { throw portError(error, 'METRICS_PORT') ?? error })
  }
  const address = await app.listen({ host: config.host, port: config.port, backlog: BACKLOG })
  process.stdout.write(welcome(config, address, metrics?.listeningOrigin))
}

function welcome ({ chat: { page, accounts } }: Config, address: string, metrics: string | undefined): string {
  return [
    '',
    `  fastify-sse-chat listens on ${address}`,
    '',
    ...(page === true ? [`  Chat in the browser:  ${address}/`] : []),
    ...(accounts === true
      ? [`  Create an account:    curl -X POST ${address}/api/auth/register -H 'Content-Type: application/json' -d '{"userId":"alice","password":"correct horse"}'`]
      : []),
    `  Open your stream:     curl -N ${address}/api/sse -H 'Authorization: Bearer <token>'`,
    `  API document:         ${address}/api/openapi.json`,
    ...(metrics === undefined ? [] : [`  Metrics:              ${metrics}/metrics`]),
    '', ''
  ].join('\n')
}

main().catch((error: unknown) => {
  process.stderr.write(`${reasonOf(error)}\n`)
  process.exit(1)
})

/** Expected failures are reported in one line. */
function reasonOf (error: unknown): string {
  if (error instanceof ConfigError || error instanceof DatabaseError || error instanceof PackageError) return error.message
  const { code, message } = error as NodeJS.ErrnoException
  const port = portError(error, 'PORT')
  if (port !== undefined) return port.message
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return 'HOST must be an address of this machine'
  return error instanceof Error ? error.stack ?? message : String(error)
}

function portError (error: unknown, variable: string): ConfigError | undefined {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return new ConfigError(`${variable} must be a free port: it is in use`)
  if (code === 'EACCES') return new ConfigError(`${variable} must be a port that this user may open`)
  return undefined
}
