import { Redis } from 'ioredis'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { Bus } from '../../hub/bus.js'
import { MemoryNetwork, type MemoryBus } from '../../hub/buses/memory.js'
import { PostgresBus } from '../../hub/buses/postgres.js'
import { RedisBus } from '../../hub/buses/redis.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { requireRedis, skipWithoutRedis } from '../redis.js'
import { busSuite, type BusKind } from './bus-suite.js'
import { hasRedisServer, startRedisCluster } from './redis-cluster.js'

t.test('in memory', async t => {
  const networks = new Map<string, MemoryNetwork>()
  busSuite(t, {
    async join (_, installation) {
      const network = networks.get(installation) ?? new MemoryNetwork()
      networks.set(installation, network)
      return network.join()
    },
    async cut (bus) {
      (bus as MemoryBus).disconnect()
      setTimeout(() => { (bus as MemoryBus).reconnect() }, 20)
    }
  })
})

t.test('PostgreSQL', { skip: await skipWithoutPostgres() }, async t => {
  const names = new Map<Bus, string>()
  const url = new URL(await requirePostgres())
  busSuite(t, {
    async join (t, installation) {
      const name = `bus-suite-${process.pid}-${names.size}`
      url.searchParams.set('application_name', name)
      const bus = await open(t, new PostgresBus({ url: url.href, installation }))
      names.set(bus, name)
      return bus
    },
    async cut (bus) {
      const client = new pg.Client(await requirePostgres())
      await client.connect()
      await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [names.get(bus)])
      await client.end()
    }
  })
})

t.test('Redis', { skip: await skipWithoutRedis() }, async t => { busSuite(t, redisBuses(await requireRedis())) })

t.test('Redis cluster', { skip: hasRedisServer() ? false : 'no redis-server to start' }, async t => {
  busSuite(t, redisBuses(await startRedisCluster(t)))
})

function redisBuses (url: string): BusKind {
  return {
    join: async (t, installation) => await open(t, new RedisBus({ url, installation })),
    async cut (bus) {
      const { commands, prefix } = bus as RedisBus
      for (const node of commands instanceof Redis ? [commands] : commands!.nodes('master')) {
        const list = String(await node.client('LIST')).split('\n').filter(line => line.includes(prefix.slice(0, -1)))
        const mine = await node.client('ID')
        const ids = list.map(line => Number(/id=(\d+)/.exec(line)?.[1])).filter(id => id !== mine)
        // The connection that requests it goes last.
        for (const id of [...ids, mine]) await node.call('CLIENT', 'KILL', 'ID', id, 'SKIPME', 'no').catch(() => {})
      }
    }
  }
}

async function open<B extends PostgresBus | RedisBus> (t: Test, bus: B): Promise<B> {
  await bus.open()
  t.teardown(async () => { await bus.close() })
  return bus
}
