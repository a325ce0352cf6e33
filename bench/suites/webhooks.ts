import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pairs } from '../load/pairs.js'
import { cpuMicros } from '../measure/process.js'
import { until } from '../measure/statistics.js'
import type { Context, Suite } from '../suite.js'
import { Product } from '../systems/product.js'

const PAIRS = 500
const KEY = `csk_${'b'.repeat(40)}`
const DRAIN_MS = 120_000

/** An endpoint that takes everything, and checks that the events of a conversation come in order, without a hole. */
class Receiver {
  count = 0
  readonly #server: Server
  readonly #seqs = new Map<string, number>()

  constructor () {
    this.#server = createServer((request, response) => {
      let body = ''
      request.on('data', part => { body += String(part) })
      request.on('end', () => {
        this.#take(JSON.parse(body) as { data: { conversationId: string, eventSeq: number } })
        response.writeHead(204).end()
      })
    })
  }

  async listen (): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  close (): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #take ({ data: { conversationId, eventSeq } }: { data: { conversationId: string, eventSeq: number } }): void {
    const before = this.#seqs.get(conversationId)
    if (before !== undefined && eventSeq !== before + 1) throw new Error(`void: event ${eventSeq} came after ${before}`)
    this.#seqs.set(conversationId, eventSeq)
    this.count++
  }
}

/** A server without followers, with one that is disabled, or with a webhook that is sent all messages. */
interface Case { name: string, webhook: 'none' | 'disabled' | 'enabled' }

const CASES: Case[] = [
  { name: 'no webhook', webhook: 'none' },
  { name: 'a disabled webhook', webhook: 'disabled' },
  { name: 'a webhook of four lanes', webhook: 'enabled' }
]

/** One server under the same load as the others. */
class Served {
  readonly name: string
  readonly costs: number[] = []
  readonly #product: Product
  readonly #pairs: Pairs
  readonly #receiver: Receiver | undefined

  private constructor (name: string, product: Product, pairs: Pairs, receiver: Receiver | undefined) {
    this.name = name
    this.#product = product
    this.#pairs = pairs
    this.#receiver = receiver
  }

  static async start ({ name, webhook }: Case, url: string, receiver: Receiver): Promise<Served> {
    // Outside of production, an endpoint may be http: what is compared is the lane, not the encryption
    const product = await Product.start({ env: { NODE_ENV: 'bench', SERVICE_KEYS: `bench:${KEY}`, WEBHOOK_ALLOW_PRIVATE: 'on', SEARCH: 'off' } })
    const pairs = new Pairs(product, PAIRS)
    await pairs.open()
    if (webhook !== 'none') {
      const { id } = await operate(product, 'POST', '', { url, events: ['message'] })
      if (webhook === 'disabled') await operate(product, 'PATCH', `/${id}`, { enabled: false })
    }
    return new Served(name, product, pairs, webhook === 'enabled' ? receiver : undefined)
  }

  /** CPU a message, with its delivery. */
  async cost (ms: number): Promise<number> {
    const { pid } = this.#product
    const [before, taken] = [cpuMicros(pid), this.#receiver?.count ?? 0]
    const { calls } = await this.#pairs.messages(ms)
    await until(() => this.#receiver === undefined || this.#receiver.count === taken + calls, DRAIN_MS, 'that the endpoint has every message')
    return (cpuMicros(pid) - before) / calls
  }

  async stop (): Promise<void> {
    this.#pairs.close()
    await this.#product.stop()
  }
}

async function operate (product: Product, method: string, path: string, body: object): Promise<{ id: string }> {
  const response = await fetch(`http://127.0.0.1:${product.port}/api/admin/webhooks${path}`, {
    method, headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }, body: JSON.stringify(body)
  })
  if (!response.ok) throw new Error(`void: ${method} of a webhook was answered ${response.status}`)
  return await response.json() as { id: string }
}

const suite: Suite = {
  summary: '500 conversations of two, 64 connections posting: without a webhook, with a disabled one, and with one that is sent every message',
  async run (context: Context) {
    const receiver = new Receiver()
    const url = await receiver.listen()
    const all: Served[] = []
    try {
      context.progress('making the conversations')
      for (const each of CASES) all.push(await Served.start(each, url, receiver))
      for (const served of all) await served.cost(context.pick(4000, 2000))
      // In turns, so that whatever else the machine does meets all
      await context.repeat('all', async () => {
        for (const served of all) served.costs.push(await served.cost(context.pick(3000, 1500)))
      }, context.pick(9, 5))
      const [none, disabled, enabled] = all.map(({ name, costs }) => context.figure(name, 'CPU a message', 'µs', costs))
      context.target('a message with a disabled webhook, of one without', disabled! / none!, 1.02, '×')
      context.target('a webhook, a message', enabled! - none!, 60, 'µs')
    } finally {
      for (const served of all) await served.stop()
      receiver.close()
    }
  }
}

export default suite
