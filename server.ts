#!/usr/bin/env node
import type { FastifyInstance } from 'fastify'
import { ConfigError, readConfig, type Config } from './config.js'
import { StorageError } from './files/storage.js'
import { PackageError } from './packages.js'
import { isBelowNpmStart, onParentGone } from './parent.js'
import { DatabaseError } from './store/database.js'
import { leaveLostTerminal, readableLog } from './terminal.js'
import { elapsedMs } from './time.js'

/** Time from the first signal to the exit, and the part of it that requests in flight may take, in milliseconds. */
const SHUTDOWN_MS = 9000
const DRAIN_MS = 6000
/** Time that a start may take to come to an end after a signal, in milliseconds. What it is at then ends with the process: databases roll back. */
const START_END_MS = 2000
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
  let stoppingSince: number | undefined
  const isStopping = (): boolean => stoppingSince !== undefined
  /** Ends what has been started so far. */
  let end = async (_reason: string): Promise<void> => {}

  const stop = async (reason: string): Promise<void> => {
    if (stoppingSince !== undefined) {
      // A second signal ends the process at once.
      if (!isBelowNpmStart(process.env) || elapsedMs() - stoppingSince > SAME_SIGNAL_MS) process.exit(1)
      return
    }
    stoppingSince = elapsedMs()
    leaveLostTerminal()
    setTimeout(() => { process.exit(0) }, SHUTDOWN_MS).unref()
    try {
      await end(reason)
      process.exit(0)
    } catch (error) {
      exitWith(error)
    }
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => { void stop(signal) })
  onParentGone(() => { if (!isStopping()) void stop('npm has exited') })

  const config = readConfig(process.env)
  const starting = start(config)
  end = async () => { await endStart(starting) }
  const started = await starting.catch((error: unknown) => {
    if (!isStopping()) throw error
  })
  if (started === undefined || isStopping()) return
  const { app, metrics } = started
  const inFlight = countRequests(app, isStopping)
  end = async reason => { await drain(app, inFlight, reason) }

  try {
    await metrics?.listen({ host: config.host, port: config.metricsPort ?? 0 })
      .catch((error: unknown) => { throw portError(error, 'METRICS_PORT') ?? error })
    const address = await app.listen({ host: config.host, port: config.port, backlog: BACKLOG })
    process.stdout.write(welcome(config, address, metrics?.listeningOrigin))
  } catch (error) {
    if (!isStopping()) throw error
  }
}

interface Started { app: FastifyInstance, metrics: FastifyInstance | undefined }

async function start (config: Config): Promise<Started> {
  // Loaded after the configuration has been checked, so that an invalid value is reported at once.
  const [{ buildServer, buildMetricsServer, WithoutRequests }, { loggerOptions }] = await Promise.all([
    import('./standalone.js'), import('./plugins/logging.js')
  ])
  const options = process.stdout.isTTY
    ? {
        logger: { level: config.logLevel, ...loggerOptions, stream: await readableLog() },
        // A page makes so many requests that their lines would bury its address.
        ...(process.env['LOG_LEVEL'] ? {} : { logController: new WithoutRequests() })
      }
    : {}
  const app = await buildServer(config, options)
  return { app, metrics: config.metricsPort === undefined ? undefined : await buildMetricsServer(config, app, options) }
}

/** Closes what a start has opened, once it has come to an end. One that waits for its database has opened nothing that has to be closed. */
async function endStart (starting: Promise<Started>): Promise<void> {
  const late = new Promise<undefined>(resolve => { setTimeout(() => { resolve(undefined) }, START_END_MS) })
  const started = await Promise.race([starting.catch(() => undefined), late])
  await started?.app.close()
}

async function drain (app: FastifyInstance, inFlight: () => number, reason: string): Promise<void> {
  app.log.info(`${reason}: shutting down`)
  // Streams are told to reconnect. Requests in flight, and new ones in the meantime, are answered.
  await app.hub.endAll('shutdown')
  const deadline = elapsedMs() + DRAIN_MS
  while (inFlight() > 0 && elapsedMs() < deadline) await new Promise(resolve => setTimeout(resolve, 20))
  // Requests that are still open would delay closing the database.
  app.server.closeAllConnections()
  await app.close()
}

function welcome ({ chat: { page, accounts } }: Config, address: string, metrics: string | undefined): string {
  return [
    '',
    ...(accounts === true
      ? [`  Create an account:    curl -X POST ${address}/api/auth/register -H 'Content-Type: application/json' -d '{"userId":"alice","password":"correct horse"}'`]
      : []),
    `  Open your stream:     curl -N ${address}/api/sse -H 'Authorization: Bearer <token>'`,
    `  API document:         ${address}/api/openapi.json`,
    ...(metrics === undefined ? [] : [`  Metrics:              ${metrics}/metrics`]),
    '',
    // Last, where a person looks.
    `  fastify-sse-chat listens on ${address}`,
    ...(page === true ? [`  Chat in the browser:  ${address}/`] : []),
    '', ''
  ].join('\n')
}

main().catch(exitWith)

function exitWith (error: unknown): never {
  process.stderr.write(`${reasonOf(error)}\n`)
  process.exit(1)
}

/** Expected failures are reported in one line. */
function reasonOf (error: unknown): string {
  if (error instanceof ConfigError || error instanceof DatabaseError || error instanceof PackageError) return error.message
  if (error instanceof StorageError) return `FILES_DIR must be ${error.message}`
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
