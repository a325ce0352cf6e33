import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import chat from '../../app.js'
import { programOf } from '../programs.js'
import { connect, type HostConnection } from './connect.js'

export interface KilledHostsOptions {
  /** With all migrations, and nothing else. */
  databaseUrl: string
  databaseSchema: string
  kills: number
  onProgress?: (text: string) => void
}

export interface KilledHostsReport { orders: number, messages: number, problems: string[] }

/** After so many kills what is left is compared, and at the end. */
const COMPARED_EVERY = 50

/**
 * Kills a host around its commits, again and again, and compares what is left: each order that was committed has its message, once, in the
 * order of the commits, and no other message is there.
 */
export async function runKilledHosts ({ databaseUrl, databaseSchema, kills, onProgress = () => {} }: KilledHostsOptions): Promise<KilledHostsReport> {
  const place = { databaseUrl, databaseSchema }
  const conversationId = await prepare(place)
  const host = await connect(databaseUrl, databaseSchema)
  try {
    await host.run('CREATE TABLE orders (id integer PRIMARY KEY)')
    let report: KilledHostsReport = { orders: 0, messages: 0, problems: [] }
    for (let kill = 1; kill <= kills && report.problems.length === 0; kill++) {
      await killOnce(place, conversationId, await newestOrder(host) + 1)
      if (kill % COMPARED_EVERY !== 0 && kill !== kills) continue
      report = await compare(place, host, conversationId)
      onProgress(`${kill} kills, ${report.orders} orders, ${report.messages} messages`)
    }
    return report
  } finally {
    await host.close()
  }
}

type Place = Pick<KilledHostsOptions, 'databaseUrl' | 'databaseSchema'>

/** @returns the conversation in which the host tells of its orders */
async function prepare (place: Place): Promise<string> {
  const app = await open(place)
  for (const userId of ['shop', 'ann']) await app.chat.ensureUser({ userId, displayName: userId, avatar: null, issuedAt: null, expiresAt: null })
  const { conversation: { id } } = await app.chat.createConversation('shop', { type: 'direct', userId: 'ann' })
  await app.close()
  return id
}

async function open (place: Place): Promise<FastifyInstance> {
  const app = Fastify({ pluginTimeout: 0 })
  await app.register(chat, { docs: false, ...place, authenticate: () => undefined })
  return app
}

const newestOrder = async (host: HostConnection): Promise<number> => Number((await host.rows('SELECT max(id) AS id FROM orders'))[0]?.['id'] ?? 0)

async function killOnce ({ databaseUrl, databaseSchema }: Place, conversationId: string, firstOrder: number): Promise<void> {
  const args = [...programOf('test/host-transactions/host.ts'), databaseUrl, databaseSchema, conversationId, String(firstOrder)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  try {
    const lines = createInterface({ input: child.stdout })
    const ended = exited.then(([code]) => { throw new Error(`The host ended by itself: ${code}`) })
    ended.catch(() => {})
    for (let left = randomInt(1, 12); left > 0; left--) await Promise.race([once(lines, 'line'), ended])
    await sleep(randomInt(6))
  } finally {
    child.kill('SIGKILL')
    await exited
  }
}

/** Compares all orders with all messages, once what waits is sent. */
async function compare (place: Place, host: HostConnection, conversationId: string): Promise<KilledHostsReport> {
  const app = await open(place)
  await app.chat.flush()
  const sent: string[] = []
  for (let hasMore = true; hasMore;) {
    const page = await app.chat.messages('ann', conversationId, { after: sent.length, limit: 100 })
    sent.push(...page.messages.map(({ text }) => text));
    ({ hasMore } = page)
  }
  await app.close()
  const expected = (await host.rows('SELECT id FROM orders ORDER BY id')).map(({ id }) => `order ${Number(id)}`)
  const left = await host.rows('SELECT id, error FROM chat_pending')
  const problems: string[] = []
  const wrong = Array.from({ length: Math.max(expected.length, sent.length) }).findIndex((_, index) => expected[index] !== sent[index])
  if (wrong !== -1) problems.push(`message ${wrong + 1} is "${sent[wrong]}" instead of "${expected[wrong]}"`)
  if (left.length > 0) problems.push(`${left.length} messages wait, or were refused: ${JSON.stringify(left[0])}`)
  return { orders: expected.length, messages: sent.length, problems }
}
