import { Caller } from '../load/caller.js'
import { Reader } from '../load/reader.js'
import { perDelivery, Room } from '../load/room.js'
import { percentile, sleep } from '../measure/statistics.js'
import type { Suite } from '../suite.js'
import { ProductRoom, type Product } from '../systems/product.js'

/** A group holds a thousand; the rest are their other devices. */
const MEMBERS = 1000
const SIZES = [1000, 5000, 10_000]
const SENDERS = 64

const suite: Suite = {
  summary: '1,000, 5,000 and 10,000 streams of one conversation, 64 connections posting; a small conversation meanwhile',
  async run (context) {
    const cost = new Map<number, number>()
    for (const size of SIZES) {
      const system = await ProductRoom.start()
      const name = `${size.toLocaleString('en')} streams`
      try {
        context.progress(`${name}: opening`)
        const room = new Room(system, SENDERS)
        await room.open(size, MEMBERS)
        const small = await SmallRoom.open(system.product)
        await room.burst(context.pick(3000, 1500))
        await eventLoopP99(system.product)
        const lags: number[] = []
        small.begin()
        const windows = await context.repeat(name, async () => {
          const window = await room.burst(context.pick(4000, 2000))
          lags.push(await eventLoopP99(system.product))
          return window
        })
        await small.end()
        room.close()
        await room.verify()
        cost.set(size, context.figure(name, 'CPU a delivery', 'µs', windows.map(perDelivery)))
        const lag = context.figure(name, 'event loop delay p99', 'ms', lags)
        context.figure(name, 'a small conversation\'s p99', 'ms', [percentile(small.latencies, 0.99)])
        if (size > MEMBERS) context.target(`${name}: event loop delay p99`, lag, 50, 'ms')
      } finally {
        await system.stop()
      }
    }
    for (const size of SIZES.slice(1)) context.target(`${size.toLocaleString('en')} streams: a delivery, of that to 1,000`, cost.get(size)! / cost.get(1000)!, 1.3, '×')
  }
}

/** Node.js counts from one look to the next, so that an idle loop has a delay of ten milliseconds: the pause between two looks. */
const LOOK_MS = 10

/** As prom-client takes it: over the time since it was last asked. */
async function eventLoopP99 (product: Product): Promise<number> {
  const caller = new Caller(product.port)
  const { body } = await caller.call({ method: 'GET', path: '/metrics', userId: 'nobody' })
  caller.close()
  return Number(/^nodejs_eventloop_lag_p99_seconds (\S+)/m.exec(body)![1]) * 1000 - LOOK_MS
}

/** Two who write to each other beside the crowd. */
class SmallRoom {
  readonly latencies: number[] = []
  readonly #caller: Caller
  #sentAt = 0
  #received = 0
  #writing = false
  #done: Promise<void> | undefined

  private constructor (product: Product) {
    this.#caller = new Caller(product.port)
  }

  static async open (product: Product): Promise<SmallRoom> {
    const room = new SmallRoom(product)
    await product.makeUsers(['one', 'other'])
    await product.calls(['one'], userId => ({ method: 'POST', path: '/api/chat/conversations', userId, body: { type: 'direct', userId: 'other' } }))
    await new Promise<void>(resolve => {
      product.open('other', 'conv_one_other', new Reader(({ type }) => {
        if (type !== 'message') return
        room.#received++
        room.latencies.push(performance.now() - room.#sentAt)
      }), () => { resolve() })
    })
    return room
  }

  begin (): void {
    this.#writing = true
    this.#done = this.#write()
  }

  async end (): Promise<void> {
    this.#writing = false
    await this.#done
    this.#caller.close()
  }

  async #write (): Promise<void> {
    for (let sent = 1; this.#writing; sent++) {
      this.#sentAt = performance.now()
      const body = { conversationId: 'conv_one_other', text: 'hello' }
      await this.#caller.call({ method: 'POST', path: '/api/chat/messages', userId: 'one', body })
      while (this.#received < sent) await sleep(1)
      await sleep(50)
    }
  }
}

export default suite
