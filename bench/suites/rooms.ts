import { Pairs, perCall, type Pair, type Work } from '../load/pairs.js'
import { percentile } from '../measure/statistics.js'
import type { Context, Suite } from '../suite.js'
import { EmptyRoute } from '../systems/empty-route.js'
import { Product } from '../systems/product.js'

const PAIRS = 2000
/** Groups of six, in which five can be mentioned. */
const GROUPS = 500
const OTHERS = Array.from({ length: 4 }, (_, index) => `member-${index}`)

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
      context.figure(product.name, 'p99', 'ms', windows.map(({ latencies }) => percentile(latencies, 0.99)))
      context.target('a message, of an empty authenticated POST route\'s', cost / floor, 2.1, '×')
      await compareContents(context)
    } finally {
      await product.stop()
      await empty.stop()
    }
  }
}

/** What a message costs that is more than text, in the same groups and in turns. */
async function compareContents (context: Context): Promise<void> {
  const product = await Product.start()
  try {
    context.progress('making the groups')
    const groups = new Pairs(product, GROUPS, OTHERS)
    await groups.open()
    const kinds = [
      { name: 'a plain message', limit: 1, callOf: (pair: Pair) => groups.message(pair) },
      { name: 'a reply', limit: 1.3, callOf: (pair: Pair) => groups.reply(pair) },
      { name: 'a reaction', limit: 1, callOf: (pair: Pair) => groups.reaction(pair) },
      { name: 'five mentions', limit: 1.3, callOf: (pair: Pair) => groups.mentioning(pair) }
    ].map(kind => ({ ...kind, costs: [] as number[] }))
    const run = async (ms: number): Promise<number[]> => {
      const costs: number[] = []
      for (const { callOf } of kinds) costs.push(perCall(await groups.messages(ms, callOf)))
      return costs
    }
    await run(context.pick(3000, 1500))
    await context.repeat('contents', async () => {
      for (const [index, cost] of (await run(context.pick(3000, 1500))).entries()) kinds[index]!.costs.push(cost)
    })
    groups.close()
    const [plain, ...others] = kinds.map(({ name, costs }) => context.figure('groups of six', `CPU of ${name}`, 'µs', costs))
    for (const [index, cost] of others.entries()) {
      const { name, limit } = kinds[index + 1]!
      context.target(`${name}, of a plain message's`, cost / plain!, limit, '×')
    }
  } finally {
    await product.stop()
  }
}

export default suite
