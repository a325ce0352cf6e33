// `npm run cluster -- --nodes 3 [--port 8080]`: starts nodes and a proxy in front of them on loopback, on the PostgreSQL
// of DATABASE_URL and the Redis of REDIS_URL (without one PostgreSQL carries the events, too).
// SIGHUP restarts the nodes one after the other; SIGINT and SIGTERM end everything.

import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ended, startProxy } from './cluster/proxy.js'

const { values } = parseArgs({ options: { nodes: { type: 'string', default: '2' }, port: { type: 'string', default: '8080' } } })
const count = Number(values.nodes)
const port = Number(values.port)
if (!Number.isInteger(count) || count < 1 || count > 50 || !Number.isInteger(port)) {
  fail('Usage: npm run cluster -- --nodes <1 to 50> [--port <port>]')
}
if (!/^postgres(ql)?:/.test(process.env.DATABASE_URL ?? '')) fail('DATABASE_URL must be a postgres:// URL: nodes share a database')

const root = fileURLToPath(new URL('../', import.meta.url))
const server = existsSync(`${root}dist/server.js`) ? ['dist/server.js'] : ['--import=tsx', 'server.ts']
const secret = process.env.JWT_SECRET ?? randomBytes(32).toString('base64url')
const ports = Array.from({ length: count }, (_, index) => port + 1 + index)
const nodes: ChildProcess[] = []

async function startNode (index: number): Promise<void> {
  const child = spawn(process.execPath, server, {
    cwd: root,
    env: { LOG_LEVEL: 'warn', TRUST_PROXY: 'loopback', ...process.env, JWT_SECRET: secret, HOST: '127.0.0.1', PORT: String(ports[index]) },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  nodes[index] = child
  await new Promise<void>((resolve, reject) => {
    child.once('exit', code => { reject(new Error(`Node ${index + 1} ended with ${code}`)) })
    createInterface({ input: child.stdout }).on('line', line => {
      if (line.includes(' listens on ')) resolve()
      else if (line.startsWith('{')) console.log(line)
    })
  })
  console.log(`node ${index + 1}: http://127.0.0.1:${ports[index]}`)
}

/** One after the other: their streams go to the others, and resume there. */
async function restart (): Promise<void> {
  for (let index = 0; index < count; index++) {
    await ended(nodes[index]!, 'SIGTERM')
    await startNode(index)
  }
}

function fail (message: string): never {
  console.error(message)
  process.exit(1)
}

try {
  await Promise.all(ports.map(async (_, index) => { await startNode(index) }))
} catch (error) {
  await Promise.all(nodes.map(async node => { await ended(node, 'SIGTERM') }))
  fail((error as Error).message)
}
const proxy = await startProxy({ port, nodes: ports })
console.log(`all, by ${proxy.kind}: http://127.0.0.1:${port}/`)

let busy: Promise<void> = Promise.resolve()
process.on('SIGHUP', () => { busy = busy.then(restart).catch((error: Error) => { fail(error.message) }) })
const stop = async (): Promise<void> => {
  await Promise.all(nodes.map(async node => { await ended(node, 'SIGTERM') }))
  await proxy.stop()
  process.exit(0)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { void stop() })
