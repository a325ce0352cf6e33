// npm run bench:nodes -- [--streams 120] [--rate 50] [--seconds 6]
// What a delivery costs with 1, 2 and 3 nodes on each bus, and how much later an event arrives on another node.
// Needs PostgreSQL and Redis: TEST_DATABASE_URL and TEST_REDIS_URL, or the usual local ports.

import { setTimeout as sleep } from 'node:timers/promises'
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { ServerProcess } from '../test/chaos/server-process.js'
import { mint } from '../test/chaos/token.js'
import { connect, type EventReader } from '../test/event-reader.js'
import { requirePostgres } from '../test/postgres.js'
import { requireRedis } from '../test/redis.js'

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '120' },
    rate: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '6' }
  }
})
const [streams, rate, seconds] = [Number(values.streams), Number(values.rate), Number(values.seconds)]

interface Result { deliveriesPerSecond: number, cpuPerDelivery: number, added: number[] }

async function measure (databaseUrl: string, count: number, redisUrl: string | undefined): Promise<Result> {
  const schema = `bench_${randomBytes(5).toString('hex')}`
  const url = new URL(databaseUrl)
  url.searchParams.set('schema', schema)
  const nodes = await Promise.all(Array.from({ length: count }, async () => await ServerProcess.create({
    DATABASE_URL: url.href, MAX_STREAMS_PER_USER: '100000', ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl })
  })))
  try {
    await Promise.all(nodes.map(async node => { await node.start() }))
    const call = async (userId: string, path: string, body?: object): Promise<{ id: string }> => await (await fetch(nodes[0]!.origin + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${mint(userId)}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })).json() as { id: string }
    for (const userId of ['ann', 'bob']) await call(userId, '/api/chat/me')
    const { id } = await call('ann', '/api/chat/conversations', { type: 'direct', userId: 'bob' })
    const open = async (index: number): Promise<EventReader> => await connect(
      `${nodes[index % count]!.origin}/api/sse?conversationId=${id}`, { authorization: `Bearer ${mint('bob')}` })
    const readers = await Promise.all(Array.from({ length: streams }, async (_, index) => await open(index)))
    await sleep(500)

    // When the first stream of each node has a message
    const arrivals = nodes.map(() => new Map<number, number>())
    const watching = new AbortController()
    for (let node = 0; node < count; node++) void watch(readers[node]!, arrivals[node]!, watching.signal)

    const before = nodes.map(node => node.cpuMicros)
    const startedAt = performance.now()
    const total = rate * seconds
    for (let n = 0; n < total; n++) {
      void call('ann', '/api/chat/messages', { conversationId: id, text: `number ${n}, of a usual length for a chat` })
      await sleep(Math.max(0, startedAt + (n + 1) * 1000 / rate - performance.now()))
    }
    const messages = (reader: EventReader): number => reader.events.filter(({ type }) => type === 'message').length
    while (readers.some(reader => messages(reader) < total) && performance.now() - startedAt < seconds * 1000 + 10_000) await sleep(20)
    const elapsed = (performance.now() - startedAt) / 1000
    const cpu = nodes.reduce((sum, node, index) => sum + node.cpuMicros - before[index]!, 0)
    const deliveries = readers.reduce((sum, reader) => sum + messages(reader), 0)
    watching.abort()
    await Promise.all(readers.map(async reader => { await reader.close() }))
    const added = arrivals.slice(1).flatMap(elsewhere => [...elsewhere].map(([seq, at]) => at - arrivals[0]!.get(seq)!))
    return { deliveriesPerSecond: deliveries / elapsed, cpuPerDelivery: cpu / deliveries, added: added.sort((a, b) => a - b) }
  } finally {
    await Promise.all(nodes.map(async node => { await node.dispose() }))
    const client = new pg.Client(databaseUrl)
    await client.connect()
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    await client.end()
  }
}

async function watch (reader: EventReader, arrivals: Map<number, number>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { data } = await reader.next<{ seq: number }>('message').catch(() => ({ data: undefined }))
    if (data === undefined) return
    arrivals.set(data.seq, performance.now())
  }
}

const databaseUrl = await requirePostgres()
const redisUrl = await requireRedis()
console.log(`${streams} streams of one conversation, ${rate} messages a second\n`)
console.log('| bus | nodes | deliveries/s | CPU a delivery, µs | added between nodes, ms: p50 | p99 |\n| --- | --- | --- | --- | --- | --- |')
for (const [bus, redis] of [['PostgreSQL', undefined], ['Redis', redisUrl]] as const) {
  for (const count of [1, 2, 3]) {
    const { deliveriesPerSecond, cpuPerDelivery, added } = await measure(databaseUrl, count, redis)
    const at = (share: number): string => added.length === 0 ? '–' : added[Math.floor((added.length - 1) * share)]!.toFixed(2)
    console.log(`| ${bus} | ${count} | ${deliveriesPerSecond.toFixed(0)} | ${cpuPerDelivery.toFixed(1)} | ${at(0.5)} | ${at(0.99)} |`)
  }
}
process.exit(0)
