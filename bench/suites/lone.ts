import { conversationId, databaseUrl, postgresAnswers, provide, SMALL, userOf, type Provider } from '../data/databases.js'
import { Caller, callAll, type Call } from '../load/caller.js'
import { cpuMicros } from '../measure/process.js'
import type { Context, Suite } from '../suite.js'
import { EmptyRoute } from '../systems/empty-route.js'
import { Product } from '../systems/product.js'

const USER = userOf(1)
const OWN = conversationId(1)
let sent = 0

interface Kind { name: string, limit: Record<Provider, number>, callOf: () => Call }

const get = (path: string) => (): Call => ({ method: 'GET', path: `/api/chat/${path}`, userId: USER })
const both = (limit: number): Record<Provider, number> => ({ sqlite: limit, postgresql: limit })
const kinds: Kind[] = [
  {
    name: 'a message',
    limit: { sqlite: 2.5, postgresql: 3 },
    callOf: () => ({ method: 'POST', path: '/api/chat/messages', userId: USER, body: { conversationId: OWN, text: `${sent++} a message as people send them, of some sixty characters` } })
  },
  { name: 'me', limit: both(1.5), callOf: get('me') },
  { name: 'a conversation', limit: both(1.8), callOf: get(`conversations/${OWN}`) },
  { name: 'a page of 50', limit: both(4), callOf: get(`conversations/${OWN}/messages?limit=50`) },
  { name: 'a list of 50', limit: both(6), callOf: get('conversations?limit=50') }
]

/** What most installations do all day. The CPU of PostgreSQL's own processes is not counted. */
async function measure (context: Context, provider: Provider): Promise<void> {
  await provide(provider, SMALL, text => { context.progress(text) })
  const product = await Product.start({ databaseUrl: databaseUrl(provider, SMALL) })
  const empty = await EmptyRoute.start()
  const caller = new Caller(product.port)
  const cost = async ({ callOf }: Kind, calls: number): Promise<number> => {
    const cpu = cpuMicros(product.pid)
    let made = 0
    await callAll([caller], () => made++ < calls ? callOf() : undefined)
    return (cpuMicros(product.pid) - cpu) / calls
  }
  try {
    const calls = context.pick(2000, 600)
    const all: Array<{ kind: Kind, bytes: number | undefined, costs: number[], ratios: number[] }> = []
    for (const kind of kinds) {
      const { body } = await caller.call(kind.callOf())
      all.push({ kind, bytes: kind.callOf().method === 'GET' ? Buffer.byteLength(body) : undefined, costs: [], ratios: [] })
    }
    for (const { kind, bytes } of all) {
      await cost(kind, calls)
      await empty.costAlone(calls, bytes)
    }
    await context.repeat(`${provider}: one call at a time`, async () => {
      for (const { kind, bytes, costs, ratios } of all) {
        costs.push(await cost(kind, calls))
        ratios.push(costs.at(-1)! / await empty.costAlone(calls, bytes))
      }
    })
    for (const { kind: { name, limit }, costs, ratios } of all) {
      context.figure(provider, `CPU of ${name}`, 'µs', costs)
      context.target(`${provider}: ${name} alone, of an empty route's`, context.figure(provider, `${name}, of an empty route`, '×', ratios), limit[provider], '×')
    }
  } finally {
    caller.close()
    await product.stop()
    await empty.stop()
  }
}

const suite: Suite = {
  summary: 'one call at a time: a message, and what is read, compared with an empty authenticated route with an answer of the same size',
  async run (context) {
    await measure(context, 'sqlite')
    if (await postgresAnswers()) await measure(context, 'postgresql')
    else context.skip('PostgreSQL doesn\'t answer on 127.0.0.1:5432 (or at TEST_DATABASE_URL)')
  }
}

export default suite
