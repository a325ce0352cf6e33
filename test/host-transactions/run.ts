import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import chat from '../../app.js'
import { programOf } from '../programs.js'
import { connect } from './connect.js'

export interface KilledHostsOptions {
  /** With all migrations, and nothing else. */
  databaseUrl: string
  databaseSchema: string
  kills: number
  onProgress?: (text: string) => void
}

export interface KilledHostsReport { orders: number, messages: number, problems: string[] }

/**
 * Kills a host around its commits, again and again, and compares what is left: each order that was committed has its message, once, in the
 * order of the commits, and no other message is there.
 */
export async function runKilledHosts ({ databaseUrl, databaseSchema, kills, onProgress = () => {} }: KilledHostsOptions): Promise<KilledHostsReport> {
  const app = Fastify()
  await app.register(chat, { databaseUrl, databaseSchema, authenticate: () => undefined })
  for (const userId of ['shop', 'ann']) await app.chat.ensureUser({ userId, displayName: userId, avatar: null, issuedAt: null, expiresAt: null })
  const { conversation: { id } } = await app.chat.createConversation('shop', { type: 'direct', userId: 'ann' })
  await app.close()
  const host = await connect(databaseUrl, databaseSchema)
  await host.run('CREATE TABLE orders (id integer PRIMARY KEY)')
  const orders = async (): Promise<number[]> => (await host.rows('SELECT id FROM orders ORDER BY id')).map(row => Number(row['id']))

  for (let kill = 1; kill <= kills; kill++) {
    const first = ((await orders()).at(-1) ?? 0) + 1
    const child = spawn(process.execPath, [...programOf('test/host-transactions/host.ts'), databaseUrl, databaseSchema, id, String(first)],
      { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    try {
      const lines = createInterface({ input: child.stdout })
      for (let left = randomInt(1, 12); left > 0; left--) await once(lines, 'line')
      await sleep(randomInt(6))
    } finally {
      child.kill('SIGKILL')
      await exited
    }
    if (kill % 50 === 0) onProgress(`${kill} kills, ${(await orders()).length} orders`)
  }

  const problems: string[] = []
  const expected = (await orders()).map(number => `order ${number}`)
  const last = Fastify()
  await last.register(chat, { databaseUrl, databaseSchema, authenticate: () => undefined })
  await last.chat.flush()
  const sent: string[] = []
  for (let hasMore = true; hasMore;) {
    const page = await last.chat.messages('ann', id, { after: sent.length, limit: 100 })
    sent.push(...page.messages.map(({ text }) => text));
    ({ hasMore } = page)
  }
  for (let index = 0; index < Math.max(expected.length, sent.length); index++) {
    if (expected[index] === sent[index]) continue
    problems.push(`message ${index + 1} is "${sent[index]}" instead of "${expected[index]}"`)
    break
  }
  const left = await host.rows('SELECT id, error FROM chat_pending')
  if (left.length > 0) problems.push(`${left.length} messages wait, or were refused: ${JSON.stringify(left[0])}`)
  await last.close()
  await host.close()
  return { orders: expected.length, messages: sent.length, problems }
}
