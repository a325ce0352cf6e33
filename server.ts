#!/usr/bin/env node
import type { FastifyInstance } from 'fastify'
import { ConfigError, readConfig, type Config } from './config.js'
import { PackageError } from './packages.js'
import { isBelowNpmStart, onParentGone } from './parent.js'
import { DatabaseError } from './store/database.js'
import { leaveLostTerminal } from './terminal.js'
import { elapsedMs } from './time.js'

/** From the first signal to the end, in milliseconds, and how much of it requests in flight may take. */
const SHUTDOWN_MS = 9000
const DRAIN_MS = 6000
/** Below npm a signal to the process group, such as Ctrl-C's, comes twice: npm passes on what it has got itself. In milliseconds. */
const SAME_SIGNAL_MS = 1000
/**
 * Connections that wait to be accepted, of which Node.js takes one in each turn of the event loop. When thousands reconnect
 * at once its default of 511 would leave most to TCP's retries, which come later and later. The kernel has a limit of its
 * own (Linux: net.core.somaxconn, 4,096).
 */
const BACKLOG = 65_535

/** Counts requests in flight; while the server stops, their connections are not for another one. */
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
  // not loaded before: a bad value is told at once
  const { buildServer, buildMetricsServer } = await import('./standalone.js')
  const app = await buildServer(config)
  const metrics = config.metricsPort === undefined ? undefined : await buildMetricsServer(config, app)
  let stoppingSince: number | undefined
  const inFlight = countRequests(app, () => stoppingSince !== undefined)

  const stop = async (reason: string): Promise<void> => {
    if (stoppingSince !== undefined) {
      // a second one means now
      if (!isBelowNpmStart(process.env) || elapsedMs() - stoppingSince > SAME_SIGNAL_MS) process.exit(1)
      return
    }
    stoppingSince = elapsedMs()
    leaveLostTerminal()
    app.log.info(`${reason}: shutting down`)
    setTimeout(() => { process.exit(0) }, SHUTDOWN_MS).unref()
    // streams are told to go; requests in flight, and new ones while those last, are answered
    await app.hub.endAll('shutdown')
    const deadline = elapsedMs() + DRAIN_MS
    while (inFlight() > 0 && elapsedMs() < deadline) await new Promise(resolve => setTimeout(resolve, 20))
    // what isn't over by now would hold up the closing of the database
    app.server.closeAllConnections()
    await app.close()
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => { void stop(signal) })
  onParentGone(() => { if (stoppingSince === undefined) void stop('npm is gone') })

  if (metrics !== undefined) {
    await metrics.listen({ host: config.host, port: config.metricsPort ?? 0 }).catch((error: unknown) => { throw portError(error, 'METRICS_PORT') ?? error })
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
      ? [`  Make an account:      curl -X POST ${address}/api/auth/register -H 'Content-Type: application/json' -d '{"userId":"alice","password":"correct horse"}'`]
      : []),
    `  Follow your stream:   curl -N ${address}/api/sse -H 'Authorization: Bearer <token>'`,
    `  All calls:            ${address}/api/openapi.json`,
    ...(metrics === undefined ? [] : [`  Metrics:              ${metrics}/metrics`]),
    '', ''
  ].join('\n')
}

main().catch((error: unknown) => {
  process.stderr.write(`${reasonOf(error)}\n`)
  process.exit(1)
})

/** What can be expected to go wrong is one line. */
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
