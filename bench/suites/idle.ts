import { Crowd } from '../load/crowd.js'
import { type EventStream } from '../load/event-stream.js'
import { cpuMicros, pssKiB } from '../measure/process.js'
import { sleep, until } from '../measure/statistics.js'
import type { Context, Suite } from '../suite.js'
import { Nchan, nchanIsInstalled } from '../systems/nchan.js'
import { Peer } from '../systems/peer.js'
import { Product } from '../systems/product.js'
import type { Broadcaster } from '../systems/system.js'

const STREAMS = 10_000
const AT_ONCE = 64
const HEARTBEAT_S = 30
/** Heartbeats that are timed, one after the other: V8 still collects what opening left while the first of them goes out. */
const BEATS = 4
/** V8 gives back what warming up took only once it is idle. */
const SETTLE_MS = 20_000

const suite: Suite = {
  summary: '10,000 open streams with nothing to do but heartbeats: memory and CPU',
  async run (context) {
    const product = await Product.start({ env: { HEARTBEAT_MS: String(HEARTBEAT_S * 1000) } })
    const perStream: number[] = []
    const cpu: number[] = []
    try {
      context.progress('making 10,000 users in ten groups')
      const crowd = new Crowd(product, STREAMS)
      await crowd.prepare()
      const repeats = context.pick(3, 1)
      for (let repeat = 1; repeat <= repeats; repeat++) {
        // A process that knows nobody yet: users, tokens and conversations are part of what a stream costs
        await product.stopGently()
        crowd.forget()
        context.progress(`${repeat} of ${repeats}: warming up`)
        const warm = await Promise.all(Array.from({ length: 50 }, async () => await warmUp(product)))
        for (const stream of warm) stream.close()
        await sleep(SETTLE_MS)
        const before = pssKiB(product.pid)
        context.progress(`${repeat} of ${repeats}: opening`)
        await crowd.open(crowd.members, AT_ONCE)
        context.progress(`${repeat} of ${repeats}: idling`)
        await sleep(SETTLE_MS)
        for (let beat = 0; beat < BEATS; beat++) {
          const start = cpuMicros(product.pid)
          await sleep(HEARTBEAT_S * 1000)
          cpu.push((cpuMicros(product.pid) - start) / (HEARTBEAT_S * 1e6) * 100)
        }
        // Only now: how soon V8 collects what opening has left is a matter of chance
        perStream.push((pssKiB(product.pid) - before) / STREAMS)
        crowd.close()
      }
    } finally {
      await product.stop()
    }
    const memory = context.figure(product.name, 'memory a stream', 'KiB', perStream)
    const share = context.figure(product.name, 'CPU with heartbeats every 30 s', '%', cpu)
    if (!context.quick) await peers(context)
    context.target('memory a stream', memory, 8, 'KiB')
    context.target('CPU of 10,000 heartbeats every 30 s, of a core', share, 0.4, '%')
  }
}

/** Makes the server run its code once before it is weighed. */
async function warmUp (product: Product): Promise<EventStream> {
  return await new Promise(resolve => {
    const stream = product.open('somebody', undefined, { take () {} }, () => { resolve(stream as EventStream) })
  })
}

/** Nobody's users, no subscriptions: what others take for a bare stream. */
async function peers (context: Context): Promise<void> {
  const starts: Array<() => Promise<Broadcaster>> = [
    async () => await Peer.start('fastify-sse-v2'),
    async () => await Peer.start('fastify-sse'),
    async () => await Peer.start('better-sse'),
    async () => await Peer.start('socket.io'),
    ...(nchanIsInstalled() ? [async () => await Nchan.start()] : [])
  ]
  for (const start of starts) {
    const system = await start()
    try {
      const open = async (count: number): Promise<Array<{ close(): void }>> => {
        let connected = 0
        const streams: Array<{ close(): void }> = []
        for (let index = 0; index < count; index++) {
          streams.push(system.open(index, { take () {} }, () => { connected++ }))
          await until(() => index - connected < AT_ONCE, 60_000, 'opening')
        }
        await until(() => connected === count, 60_000, 'opening all streams')
        return streams
      }
      context.progress(`${system.name}: opening`)
      for (const stream of await open(50)) stream.close()
      await sleep(5000)
      const before = pssKiB(system.pid)
      const streams = await open(STREAMS)
      await sleep(SETTLE_MS)
      context.figure(system.name, 'memory a stream', 'KiB', [(pssKiB(system.pid) - before) / STREAMS])
      for (const stream of streams) stream.close()
    } finally {
      await system.stop()
    }
  }
}

export default suite
