import { backendsOf, conversationId, databaseUrl, postgresAnswers, provide, userOf, type Provider, type Size } from '../data/databases.js'
import { Caller, each, type Answer } from '../load/caller.js'
import { Pairs } from '../load/pairs.js'
import { cpuMicros } from '../measure/process.js'
import { sleep } from '../measure/statistics.js'
import type { Context, Suite } from '../suite.js'
import { Product } from '../systems/product.js'

const PAIRS = 500
/** One user's conversations, and what they hold. */
const SEARCHED: Size = { conversations: 50, messages: 100_000 }
const emptyOf = (search: 'off' | 'on'): Size => ({ name: `search_${search}`, conversations: 0, messages: 0 })
const INDEX_MS = 120_000

interface Page { results: Array<{ message: { seq: number } }>, nextCursor: string | null }

/** A server, and what its work costs: on PostgreSQL, with that of its connections. */
class Served {
  readonly product: Product
  readonly #caller: Caller
  readonly #backends: () => Promise<number[]>

  private constructor (product: Product, backends: () => Promise<number[]>) {
    this.product = product
    this.#caller = new Caller(product.port)
    this.#backends = backends
  }

  static async start (provider: Provider, size: Size, search: 'off' | 'on'): Promise<Served> {
    const product = await Product.start({ databaseUrl: databaseUrl(provider, size), env: { SEARCH: search } })
    return new Served(product, async () => provider === 'sqlite' ? [] : await backendsOf(size))
  }

  async cpu (): Promise<number> {
    let sum = cpuMicros(this.product.pid)
    for (const pid of await this.#backends()) {
      try {
        sum += cpuMicros(pid)
      } catch {
        // Gone in between
      }
    }
    return sum
  }

  async search (userId: string, query: Record<string, string>): Promise<Page> {
    const { status, body }: Answer = await this.#caller.call({ method: 'GET', path: `/api/chat/search?${new URLSearchParams(query).toString()}`, userId })
    if (status !== 200) throw new Error(`void: a search was answered ${status} ${body}`)
    return JSON.parse(body) as Page
  }

  /** Waits until something is found. */
  async found (userId: string, query: Record<string, string>): Promise<void> {
    const deadline = performance.now() + INDEX_MS
    while ((await this.search(userId, query)).results.length === 0) {
      if (performance.now() > deadline) throw new Error(`void: ${JSON.stringify(query)} is not found`)
      await sleep(200)
    }
  }

  async stop (): Promise<void> {
    this.#caller.close()
    await this.product.stop()
  }
}

/** What a message costs without the index and with it, until it can be found. */
async function compareIndexing (context: Context, provider: Provider): Promise<void> {
  const all: Array<{ served: Served, pairs: Pairs, search: 'off' | 'on', costs: number[] }> = []
  try {
    for (const search of ['off', 'on'] as const) {
      await provide(provider, emptyOf(search), text => { context.progress(text) })
      const served = await Served.start(provider, emptyOf(search), search)
      const pairs = new Pairs(served.product, PAIRS)
      await pairs.open()
      all.push({ served, pairs, search, costs: [] })
    }
    const measure = async ({ served, pairs, search }: typeof all[number], ms: number): Promise<number> => {
      const before = await served.cpu()
      const { calls } = await pairs.messages(ms)
      // The log is indexed in its order
      const last = pairs.all[0]!
      await pairs.work(each([last], pair => pairs.message(pair)), 1)
      if (search === 'on') await served.found(last.a, { q: `"${pairs.newestMark}"`, conversationId: last.conversationId })
      return (await served.cpu() - before) / (calls + 1)
    }
    for (const one of all) await measure(one, context.pick(3000, 1500))
    await context.repeat(`${provider}: index`, async () => {
      for (const one of all) one.costs.push(await measure(one, context.pick(3000, 1500)))
    }, context.pick(7, 3))
    const [off, on] = all.map(({ search, costs }) => context.figure(provider, `a message, search ${search}`, 'µs', costs))
    context.target(`${provider}: the index, a message`, on! - off!, 25, 'µs')
  } finally {
    for (const { served, pairs } of all) {
      pairs.close()
      await served.stop()
    }
  }
}

const QUERIES: Array<{ name: string, query: Record<string, string>, hits: number }> = [
  { name: 'a word that each message has', query: { q: 'message' }, hits: 20 },
  { name: 'two such words', query: { q: 'people characters' }, hits: 20 },
  { name: 'a word of one message', query: { q: '77777' }, hits: 1 },
  { name: 'a word of none', query: { q: 'nowhere' }, hits: 0 },
  { name: 'a word of each, in one conversation', query: { q: 'message', conversationId: conversationId(7) }, hits: 20 }
]

/** Searches of somebody who is in all conversations. */
async function searches (context: Context, provider: Provider): Promise<void> {
  await provide(provider, SEARCHED, text => { context.progress(text) })
  const served = await Served.start(provider, SEARCHED, 'on')
  try {
    context.progress(`${provider}: indexing`)
    // The last conversation is the last that is indexed
    await served.found(userOf(50), { q: String(SEARCHED.messages) })
    for (const { name, query, hits } of QUERIES) {
      const times = context.pick(50, 10)
      const run = async (): Promise<void> => {
        for (let n = 0; n < times; n++) {
          const { results } = await served.search(userOf(1), query)
          if (results.length !== hits) throw new Error(`void: ${results.length} hits of ${JSON.stringify(query)}`)
        }
      }
      await run()
      const costs = await context.repeat(`${provider}: ${name}`, async () => {
        const before = await served.cpu()
        await run()
        return (await served.cpu() - before) / times / 1000
      })
      context.target(`${provider}: ${name}`, context.figure(provider, `search: ${name}`, 'ms', costs), 20, 'ms')
    }
  } finally {
    await served.stop()
  }
}

const suite: Suite = {
  summary: 'what the index costs a message; searches in 50 conversations of 100,000 messages',
  async run (context) {
    const providers: Provider[] = ['sqlite']
    if (await postgresAnswers()) providers.push('postgresql')
    else context.skip('PostgreSQL doesn\'t answer on 127.0.0.1:5432 (or at TEST_DATABASE_URL)')
    for (const provider of providers) {
      await compareIndexing(context, provider)
      await searches(context, provider)
    }
  }
}

export default suite
