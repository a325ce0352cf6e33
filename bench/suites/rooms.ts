import { Pairs, perCall, type Work } from '../load/pairs.js'
import { percentile } from '../measure/statistics.js'
import type { Suite } from '../suite.js'
import { EmptyRoute } from '../systems/empty-route.js'
import { Product } from '../systems/product.js'

const PAIRS = 2000

const suite: Suite = {
  summary: '2,000 conversations of two, 64 connections posting as fast as they are answered',
  async run (context) {
    const product = await Product.start()
    const empty = await EmptyRoute.start()
    try {
      context.progress('making the conversations')
      const pairs = new Pairs(product, PAIRS)
      await pairs.open()
      await pairs.messages(context.pick(5000, 3000))
      await empty.cost(context.pick(40_000, 20_000))
      const windows: Work[] = []
      const floors: number[] = []
      // In turns, so that whatever else the machine does meets both
      await context.repeat('both', async () => {
        windows.push(await pairs.messages(context.pick(4000, 2000)))
        floors.push(await empty.cost(context.pick(20_000, 10_000)))
      })
      pairs.close()
      await pairs.verify()
      const cost = context.figure(product.name, 'CPU a message', 'µs', windows.map(perCall))
      const floor = context.figure('empty route', 'CPU a request', 'µs', floors)
      context.figure(product.name, 'messages', '', windows.map(({ calls }) => calls))
      context.figure(product.name, 'p50', 'ms', windows.map(({ latencies }) => percentile(latencies, 0.5)))
      const p99 = context.figure(product.name, 'p99', 'ms', windows.map(({ latencies }) => percentile(latencies, 0.99)))
      context.target('a message, of an empty authenticated POST route\'s', cost / floor, 3, '×')
      context.target('p99 from request to event', p99, 25, 'ms')
    } finally {
      await product.stop()
      await empty.stop()
    }
  }
}

export default suite
