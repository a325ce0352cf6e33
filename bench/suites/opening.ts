import { Crowd } from '../load/crowd.js'
import { cpuMicros } from '../measure/process.js'
import { sleep } from '../measure/statistics.js'
import type { Suite } from '../suite.js'
import { EmptyRoute } from '../systems/empty-route.js'
import { Product } from '../systems/product.js'

const STREAMS = 10_000
/** Connections being opened at a time. */
const AT_ONCE = 64
/** A user stays online for 15 s after the last stream has closed: what that costs isn't opening. */
const SETTLE_MS = 18_000
/** Calls of the empty route, which tell how fast the machine is just then. */
const FLOOR_CALLS = 3000

const suite: Suite = {
  summary: '10,000 streams opening, resuming with nothing missed, and all reconnecting at once while messages are written',
  async run (context) {
    // Heartbeats as ever: with rare ones, each stream is watched by TCP
    const product = await Product.start({ env: { HEARTBEAT_MS: '30000' } })
    const empty = await EmptyRoute.start()
    try {
      context.progress('making 10,000 users in ten groups')
      const crowd = new Crowd(product, STREAMS)
      await crowd.prepare()
      // A process that has seen none of them, nor their tokens
      await product.stopGently()
      const parts = 5
      const part = STREAMS / parts
      const sets = Array.from({ length: parts }, (_, index) => crowd.members.slice(index * part, (index + 1) * part))
      const cost = async (work: () => Promise<void>, count: number): Promise<number> => {
        const cpu = cpuMicros(product.pid)
        await work()
        return (cpuMicros(product.pid) - cpu) / count
      }
      const floors: number[] = []
      await empty.cost(FLOOR_CALLS)

      const opened: number[] = []
      for (const [index, set] of sets.entries()) {
        context.progress(`opening: ${index + 1} of ${parts}`)
        opened.push(await cost(async () => { await crowd.open(set, AT_ONCE) }, part))
        floors.push(await empty.cost(FLOOR_CALLS))
      }
      // The first is the warm-up
      const opening = context.figure(product.name, 'CPU a stream opened', 'µs', opened.slice(1))
      context.figure(product.name, 'CPU a stream opened, cold process', 'µs', opened.slice(0, 1))

      crowd.close()
      context.progress('closing, and waiting until all are offline')
      await sleep(SETTLE_MS)
      const resumed: number[] = []
      for (const [index, set] of sets.entries()) {
        context.progress(`resuming: ${index + 1} of ${parts}`)
        resumed.push(await cost(async () => { await crowd.open(set, AT_ONCE) }, part))
      }
      const resuming = context.figure(product.name, 'CPU a stream resumed', 'µs', resumed)
      const request = context.figure('empty route', 'CPU a request', 'µs', floors)
      context.figure(product.name, 'a stream opened, of an empty authenticated POST route', '×', [opening / request])
      context.figure(product.name, 'a stream resumed, of the same', '×', [resuming / request])

      const storms: Array<{ seconds: number, cpu: number }> = []
      await context.repeat('all reconnect', async () => {
        crowd.close()
        const [start, cpu] = [performance.now(), cpuMicros(product.pid)]
        const back = crowd.open(crowd.members, STREAMS)
        const messages = await crowd.writeUntil(back, 20)
        await crowd.complete()
        context.progress(`all reconnect: ${messages} messages meanwhile, ${await back} streams told to come back later`)
        storms.push({ seconds: (performance.now() - start) / 1000, cpu: (cpuMicros(product.pid) - cpu) / STREAMS })
      }, 3)
      crowd.close()
      const seconds = context.figure(product.name, 'all 10,000 back and complete after', 's', storms.map(({ seconds }) => seconds))
      context.figure(product.name, 'CPU a stream, closing and messages too', 'µs', storms.map(({ cpu }) => cpu))
      context.target('a stream with JWT, membership and presence', opening, 200, 'µs')
      context.target('a resume with nothing missed', resuming, 250, 'µs')
      context.target('10,000 reconnecting at once are back and complete', seconds, 60, 's')
    } finally {
      await product.stop()
      await empty.stop()
    }
  }
}

export default suite
