import { backendsOf, conversationId, LARGE, postgresAnswers, provide, RICH, SMALL, userOf, type Provider, type Size } from '../data/databases.js'
import { Caller, callAll, type Call } from '../load/caller.js'
import { Reader } from '../load/reader.js'
import { cpuMicros } from '../measure/process.js'
import type { Context, Suite } from '../suite.js'
import { Product } from '../systems/product.js'

const CONNECTIONS = 4
/** Number of a conversation's newest event. */
const NEWEST = 101
/** A resume misses so many events at most, and at least 40 less: the same ones again would be found in pages that are kept. */
const RESUMED = 100
const SPREAD = 40

/** A server on a database of one size. */
class Served {
  readonly product: Product
  readonly #size: Size
  readonly #identity: string
  readonly #provider: Provider
  readonly #callers: Caller[]

  constructor (product: Product, provider: Provider, size: Size, identity: string) {
    this.product = product
    this.#provider = provider
    this.#size = size
    this.#identity = identity
    this.#callers = Array.from({ length: CONNECTIONS }, () => new Caller(product.port))
  }

  async stop (): Promise<void> {
    for (const caller of this.#callers) caller.close()
    await this.product.stop()
  }

  /** CPU of one, of the server and of its database, in microseconds. */
  async cost (count: number, work: (served: Served, count: number) => Promise<void>): Promise<number> {
    // Connections that idled for ten seconds are gone: they are made anew before it counts
    await work(this, Math.ceil(count / 5))
    const before = await this.#cpu()
    await work(this, count)
    const after = await this.#cpu()
    let sum = 0
    // A connection that is gone by now had idled before
    for (const [pid, cpu] of after) sum += cpu - (before.get(pid) ?? 0)
    return sum / count
  }

  /** Of each process that works for it. */
  async #cpu (): Promise<Map<number, number>> {
    const cpu = new Map([[this.product.pid, cpuMicros(this.product.pid)]])
    const backends = this.#provider === 'postgresql' ? await backendsOf(this.#size) : []
    for (const pid of backends) {
      try {
        cpu.set(pid, cpuMicros(pid))
      } catch {
        // Gone in between
      }
    }
    return cpu
  }

  async calls (count: number, callOf: (conversation: number) => Call, check: (body: string) => boolean): Promise<void> {
    let made = 0
    await callAll(this.#callers, () => made++ < count ? callOf(this.#anyConversation()) : undefined, ({ path }, { body }) => {
      if (!check(body)) throw new Error(`void: ${path} is not complete`)
    })
  }

  async resumes (count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const num = this.#anyConversation()
      await new Promise<void>((resolve, reject) => {
        let seq = NEWEST - RESUMED + Math.floor(Math.random() * SPREAD)
        const after = seq
        const stream = this.product.open(`b-${(num - 1) % 100}`, conversationId(num), new Reader(({ data }) => {
          if (typeof data.eventSeq !== 'number') return
          // One's own messages don't come
          if (data.eventSeq <= seq) reject(new Error(`void: event ${data.eventSeq} came after ${seq}`))
          seq = data.eventSeq
          if (seq < NEWEST - 1) return
          stream.close()
          resolve()
        }), () => {}, { 'Last-Event-ID': `${this.#identity}.${num}.${after}` })
      })
    }
  }

  #anyConversation (): number {
    return 1 + Math.floor(Math.random() * this.#size.conversations)
  }
}

const isPage = (size: number, key: string) => (body: string): boolean => (JSON.parse(body) as Record<string, unknown[]>)[key]!.length === size

interface Work { name: string, count: number, work: (served: Served, count: number) => Promise<void> }

const PAGE: Work = {
  name: 'a page of history',
  count: 600,
  work: async (served, count) => {
    await served.calls(count, num => ({ method: 'GET', path: `/api/chat/conversations/${conversationId(num)}/messages?before=90`, userId: userOf(num) }), isPage(50, 'messages'))
  }
}
const WORKS: Work[] = [
  PAGE,
  {
    name: 'a list of 50 conversations',
    count: 300,
    work: async (served, count) => {
      await served.calls(count, num =>
        ({ method: 'GET', path: '/api/chat/conversations?limit=50', userId: userOf(num) }), isPage(50, 'conversations'))
    }
  },
  { name: 'a resume of 60 to 100 events', count: 300, work: async (served, count) => { await served.resumes(count) } }
]

const suite: Suite = {
  summary: '10,000 messages against 1,000,000 in 10,000 conversations: a page, a list, a resume',
  async run (context) {
    await compare(context, 'sqlite')
    await comparePages(context, 'sqlite')
    if (await postgresAnswers()) {
      await compare(context, 'postgresql')
      await comparePages(context, 'postgresql')
    } else context.skip('PostgreSQL doesn\'t answer on 127.0.0.1:5432 (or at TEST_DATABASE_URL)')
  }
}

/** 50 plain messages, and 50 each of which is a reply with a mention and reactions. */
async function comparePages (context: Context, provider: Provider): Promise<void> {
  const served: Served[] = []
  try {
    for (const size of [SMALL, RICH]) {
      const { url, identity } = await provide(provider, size, text => { context.progress(text) })
      served.push(new Served(await Product.start({ databaseUrl: url }), provider, size, identity))
    }
    const [plain, rich] = served as [Served, Served]
    const { count, work } = PAGE
    const scaled = count * context.pick(3, 1)
    await plain.cost(scaled, work)
    await rich.cost(scaled, work)
    const costs: Array<[number, number]> = []
    await context.repeat(`${provider}: pages`, async () => { costs.push([await plain.cost(scaled, work), await rich.cost(scaled, work)]) })
    context.figure(provider, 'a page of 50 plain messages', 'µs', costs.map(([plain]) => plain))
    context.figure(provider, 'of 50 replies with mentions and reactions', 'µs', costs.map(([, rich]) => rich))
    context.figure(provider, 'of that, to a page of plain ones', '×', costs.map(([plain, rich]) => rich / plain))
  } finally {
    for (const one of served) await one.stop()
  }
}

async function compare (context: Context, provider: Provider): Promise<void> {
  const served: Served[] = []
  try {
    for (const size of [SMALL, LARGE]) {
      const { url, identity } = await provide(provider, size, text => { context.progress(text) })
      served.push(new Served(await Product.start({ databaseUrl: url }), provider, size, identity))
    }
    const [small, large] = served as [Served, Served]
    for (const { name, count, work } of WORKS) {
      const scaled = count * context.pick(3, 1)
      await small.cost(scaled, work)
      await large.cost(scaled, work)
      const costs: Array<[number, number]> = []
      await context.repeat(`${provider}: ${name}`, async () => { costs.push([await small.cost(scaled, work), await large.cost(scaled, work)]) })
      const few = context.figure(provider, `${name}, 10,000 messages`, 'µs', costs.map(([few]) => few))
      const many = context.figure(provider, `${name}, 1,000,000 messages`, 'µs', costs.map(([, many]) => many))
      context.target(`${provider}: ${name}, at 1,000,000 of that at 10,000 messages`, many / few, 1.2, '×')
    }
  } finally {
    for (const one of served) await one.stop()
  }
}

export default suite
