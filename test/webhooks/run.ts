import { spawn, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import chat from '../../app.js'
import { retryDelays } from '../../chat/followers/follower.js'
import { elapsedMs } from '../../time.js'
import { programOf } from '../programs.js'

export interface KilledNodesOptions {
  /** With all migrations, and nothing else. */
  databaseUrl: string
  databaseSchema: string
  /** Nodes that run at once: with SQLite one. */
  nodes: number
  /** The run ends after as many kills and this many seconds. */
  kills: number
  seconds: number
  /** Between two kills at most, in milliseconds. */
  pauseMs: number
  onProgress?: (text: string) => void
}

export interface KilledNodesReport {
  kills: number
  events: number
  repeated: number
  failed: number
  /** For how long the receiver took nothing of a conversation, in milliseconds: how long it took until another node led its lane. */
  longestPauseMs: number
  problems: string[]
}

const CONVERSATIONS = 6

/** What a receiver takes, and the order in which it first took each event of a conversation. */
class Receiver {
  readonly sequences = new Map<string, number[]>()
  readonly counts = { taken: 0, repeated: 0, failed: 0 }
  longestPauseMs = 0
  /** Whether it fails at random. */
  fails = true
  readonly #taken = new Set<string>()
  readonly #takenAt = new Map<string, number>()
  readonly #server: Server

  constructor () {
    this.#server = createServer((request, response) => {
      request.resume()
      request.on('end', () => { this.#receive(String(request.headers['webhook-id']), response) })
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

  #receive (id: string, response: ServerResponse): void {
    const chance = this.fails ? randomInt(100) : 100
    if (chance < 20) this.counts.failed++
    if (chance < 8) response.writeHead(500).end()
    else if (chance < 11) response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()
    else if (chance < 14) response.writeHead(429, { 'retry-after': '0' }).end()
    else if (chance < 18) response.destroy()
    else if (chance < 20) setTimeout(() => { response.destroy() }, 1000)
    else {
      this.#take(id)
      // What was taken may be answered with nothing, too: it comes again.
      if (chance < 23) response.destroy()
      else response.writeHead(204).end()
    }
  }

  #take (id: string): void {
    if (this.#taken.has(id)) {
      this.counts.repeated++
      return
    }
    this.#taken.add(id)
    this.counts.taken++
    const [, conversation, seq] = /^[^.]+\.(\d+)(?:-[^.]+)?\.(\d+)$/.exec(id) ?? [id, id, '0']
    const now = elapsedMs()
    this.longestPauseMs = Math.round(Math.max(this.longestPauseMs, now - (this.#takenAt.get(conversation!) ?? now)))
    this.#takenAt.set(conversation!, now)
    this.sequences.set(conversation!, [...this.sequences.get(conversation!) ?? [], Number(seq)])
  }
}

/**
 * Kills nodes at random while they send messages and their webhooks, to a receiver that fails at random. What the receiver first took of each
 * conversation must be its events 1, 2, 3 …, up to the last one that there is.
 */
export async function runKilledNodes (
  { databaseUrl, databaseSchema, nodes, kills, seconds, pauseMs, onProgress = () => {} }: KilledNodesOptions
): Promise<KilledNodesReport> {
  const receiver = new Receiver()
  const url = await receiver.listen()
  const running = new Set<ChildProcess>()
  const end = async (child: ChildProcess): Promise<void> => {
    const exited = once(child, 'exit')
    running.delete(child)
    child.kill('SIGKILL')
    await exited
  }
  try {
    const conversationIds = await prepare(databaseUrl, databaseSchema, url)
    const start = async (): Promise<void> => {
      const child = spawn(process.execPath, [...programOf('test/webhooks/node.ts'), databaseUrl, databaseSchema, ...conversationIds], { stdio: ['ignore', 'pipe', 'inherit'] })
      running.add(child)
      await once(createInterface({ input: child.stdout! }), 'line')
    }
    const until = elapsedMs() + seconds * 1000
    let killed = 0
    await Promise.all(Array.from({ length: nodes }, start))
    for (; killed < kills || elapsedMs() < until; killed++) {
      await sleep(randomInt(pauseMs))
      await end([...running][randomInt(running.size)]!)
      await start()
      if (killed % 10 === 9) onProgress(`${killed + 1} kills, ${receiver.counts.taken} events`)
    }
    await Promise.all([...running].map(end))
    receiver.fails = false
    const { longestPauseMs } = receiver // No node runs until they are compared
    const problems = await compare(databaseUrl, databaseSchema, receiver)
    const { taken: events, repeated, failed } = receiver.counts
    return { kills: killed, events, repeated, failed, longestPauseMs, problems }
  } finally {
    await Promise.all([...running].map(end))
    receiver.close()
  }
}

async function prepare (databaseUrl: string, databaseSchema: string, url: string): Promise<string[]> {
  const app = Fastify()
  await app.register(chat, { databaseUrl, databaseSchema, webhookAllowPrivate: true, authenticate: () => undefined })
  await app.chat.webhooks.create({ url, events: ['*'], lanes: 3 })
  for (const userId of ['ann', 'ben']) await app.chat.ensureUser({ userId, displayName: userId, avatar: null, issuedAt: null, expiresAt: null })
  const ids: string[] = []
  for (let number = 0; number < CONVERSATIONS; number++) {
    const { conversation } = await app.chat.createConversation('ann', { type: 'group', participantIds: ['ben'] })
    ids.push(conversation.id)
  }
  await app.close()
  return ids
}

/** Once all is delivered, by a node that is not killed. */
async function compare (databaseUrl: string, databaseSchema: string, { sequences }: Receiver): Promise<string[]> {
  retryDelays.ms = [20, 100]
  const app = Fastify()
  await app.register(chat, { databaseUrl, databaseSchema, webhookAllowPrivate: true, authenticate: () => undefined })
  await app.ready()
  const conversations = await app.chatDatabase.prisma.conversation.findMany({ select: { num: true, eventSeq: true } })
  const isComplete = (): boolean => conversations.every(({ num, eventSeq }) => sequences.get(String(num))?.at(-1) === Number(eventSeq))
  // Leases of nodes that were killed lapse in ten seconds.
  for (const giveUp = elapsedMs() + 60_000; !isComplete() && elapsedMs() < giveUp;) await sleep(50)
  await app.close()
  return conversations.flatMap(({ num, eventSeq }) => {
    const sequence = sequences.get(String(num)) ?? []
    const wrong = sequence.findIndex((seq, index) => seq !== index + 1)
    if (wrong !== -1) return [`conversation ${num}: event ${sequence[wrong]} came at place ${wrong + 1}`]
    return sequence.length === Number(eventSeq) ? [] : [`conversation ${num}: ${sequence.length} of ${eventSeq} events came`]
  })
}
