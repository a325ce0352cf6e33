import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { eventually } from './eventually.js'

const SLOTS = 16_384

export const hasRedisServer = (): boolean => spawnSync('redis-server', ['--version']).status === 0

/** Three masters on loopback for the duration of the test. @returns the URL of one of them */
export async function startRedisCluster (t: Test): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-cluster-'))
  const ports = await freePorts(6)
  const nodes = [0, 1, 2].map(index => ({ port: ports[index]!, busPort: ports[index + 3]! }))
  const processes = nodes.map(({ port, busPort }) => spawn('redis-server', [
    '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder,
    '--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-config-file', `${port}.conf`, '--cluster-node-timeout', '5000'
  ], { stdio: 'ignore' }))
  const clients = nodes.map(({ port }) => new Redis(port, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: null }))
  for (const client of clients) client.on('error', () => { /* still starting */ })
  t.teardown(async () => {
    for (const client of clients) client.disconnect()
    await Promise.all(processes.map(async process => {
      const gone = new Promise(resolve => process.once('exit', resolve))
      process.kill('SIGKILL')
      await gone
    }))
    rmSync(folder, { recursive: true, force: true })
  })

  const share = Math.ceil(SLOTS / nodes.length)
  await Promise.all(clients.map(async (client, index) => {
    await client.cluster('ADDSLOTSRANGE', index * share, Math.min((index + 1) * share, SLOTS) - 1)
  }))
  for (const { port, busPort } of nodes.slice(1)) await clients[0]!.cluster('MEET', '127.0.0.1', port, busPort)
  await eventually(async () => {
    const states = await Promise.all(clients.map(async client => String(await client.cluster('INFO'))))
    return states.every(state => state.includes('cluster_state:ok') && state.includes(`cluster_known_nodes:${nodes.length}`))
  }, 20_000)
  return `redis://127.0.0.1:${nodes[0]!.port}`
}

async function freePorts (count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, async () => {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return server
  }))
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(async server => { await new Promise(resolve => server.close(resolve)) }))
  return ports
}
