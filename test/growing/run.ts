import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { MemoryNetwork } from '../../hub/buses/memory.js'
import type { OwnMessage as Message } from '../../schemas/messages.js'
import { Rng } from '../chaos/rng.js'
import type { EventReader } from '../event-reader.js'
import { build, listen, throwAwayStore, User } from '../helper.js'
import { FaultyBus } from '../hub/faulty-bus.js'

export interface GrowingOptions {
  seed: string
  /** Messages that grow at the same time, and how often something is appended to each. */
  messages: number
  appends: number
}

const ALPHABET = ['a', 'é', '漢', '😀', ' ', '\n', '\u2028', '"', '\\']

/** Follows the growth of messages by the rule of docs/growing-messages.md, over as many streams as it takes. */
class Reader {
  readonly user: User
  readonly texts = new Map<string, string>()
  readonly finished = new Map<string, string>()
  readonly problems: string[] = []
  readonly #query: Record<string, string>
  #stream: EventReader | undefined
  #lastEventId: string | undefined
  #folded = 0
  #fetching: Promise<void> = Promise.resolve()

  constructor (user: User, conversationId: string | undefined) {
    this.user = user
    this.#query = conversationId === undefined ? {} : { conversationId }
  }

  /** Opens a stream on a node, and resumes. */
  async open (t: Test, app: FastifyInstance): Promise<void> {
    const node = Object.assign(new User(app, this.user.id), { token: this.user.token })
    this.#folded = 0
    this.#stream = await node.openStream(t, { ...this.#query, ...(this.#lastEventId === undefined ? {} : { lastEventId: this.#lastEventId }) })
  }

  async cut (): Promise<void> {
    await this.fold()
    await this.#stream?.close()
    await this.fold()
  }

  pause (): void { this.#stream?.pause() }
  resume (): void { this.#stream?.resume() }

  /** Applies what has arrived. */
  async fold (): Promise<void> {
    const { events = [] } = this.#stream ?? {}
    while (this.#folded < events.length) {
      const { type, id, data } = events[this.#folded++]!
      const text = String(data.text)
      if (type === 'message' && data.growing === true && !this.texts.has(String(data.id))) this.texts.set(String(data.id), text)
      if (type === 'messageUpdated') {
        this.finished.set(String(data.id), text)
        this.texts.delete(String(data.id))
      }
      if (type === 'messageAppended' && !this.finished.has(String(data.messageId))) await this.#append(String(data.messageId), Number(data.offset), text)
      if (id !== undefined) this.#lastEventId = id
    }
    await this.#fetching
  }

  async #append (id: string, offset: number, text: string): Promise<void> {
    const known = this.texts.get(id) ?? ''
    if (offset > known.length) {
      const fetched = await this.user.ok<Message>('GET', `/api/chat/messages/${id}`)
      if (!fetched.text.startsWith(known)) this.problems.push(`${id}: ${JSON.stringify(known)} is no beginning of ${JSON.stringify(fetched.text)}`)
      this.texts.set(id, fetched.text)
      return
    }
    const overlap = known.slice(offset, offset + text.length)
    if (!text.startsWith(overlap)) this.problems.push(`${id} at ${offset}: ${JSON.stringify(text)} is not what is known, ${JSON.stringify(overlap)}`)
    if (offset + text.length > known.length) this.texts.set(id, known + text.slice(known.length - offset))
  }
}

/**
 * Appends at random, with repetitions, through two nodes on one database whose bus loses and repeats, while readers are cut, resume on the
 * other node, stop reading, and come late. @returns what is wrong
 */
export async function runGrowing (t: Test, { seed, messages: count, appends }: GrowingOptions): Promise<string[]> {
  const rng = new Rng(seed)
  const store = await throwAwayStore()
  const network = new MemoryNetwork()
  const nodes: FastifyInstance[] = []
  for (let n = 0; n < 2; n++) {
    const bus = new FaultyBus(network.join(), { lose: 0.2, repeat: 0.2, delayMs: 2 })
    nodes.push(await build(t, { chat: { ...store.options, bus, streamBufferBytes: 4096, maxTextLength: 16_000 } }))
  }
  t.teardown(async () => { await store.remove() })
  for (const node of nodes) await listen(node)
  const [first, second] = nodes as [FastifyInstance, FastifyInstance]
  const at = (id: string): User => new User(rng.chance(0.5) ? first : second, id)
  const [bot, ann] = [new User(first, 'bot'), new User(first, 'ann')]
  const conversationId = await bot.group([ann])

  const readers = [undefined, conversationId, undefined, conversationId].map(id => new Reader(ann, id))
  const problems: string[] = []
  await Promise.all(readers.map(async (reader, index) => { await reader.open(t, nodes[index % 2]!) }))

  const grow = async (n: number): Promise<[string, string]> => {
    const { id } = await at('bot').send(conversationId, '', { growing: true, clientId: `m${n}` })
    let text = ''
    for (let append = 0; append < appends; append++) {
      const delta = Array.from({ length: rng.integer(1, 30) }, () => ALPHABET[rng.integer(0, ALPHABET.length - 1)]).join('')
      const body = { offset: text.length, text: delta }
      text += delta
      for (let again = true; again;) {
        const { status, body: answer } = await at('bot').call('POST', `/api/chat/messages/${id}/append`, body)
        if (status === 429) await new Promise(resolve => setTimeout(resolve, 1000))
        else if (status !== 200 || answer.length !== text.length) problems.push(`append: ${status} ${JSON.stringify(answer)}`)
        again = status === 429 || rng.chance(0.3)
      }
      if (rng.chance(0.1)) await at('ann').send(conversationId, 'between')
    }
    const { status, body } = await at('bot').call<Message>('POST', `/api/chat/messages/${id}/finish`)
    if (status !== 200 || body.text !== text) problems.push(`finish: ${status} ${body.text.length} of ${text.length}`)
    return [id, text]
  }

  const state = { over: false }
  const disturb = async (): Promise<void> => {
    while (!state.over) {
      const reader = rng.pick(readers)
      await reader.fold()
      if (rng.chance(0.3)) {
        await reader.cut()
        await reader.open(t, rng.pick(nodes))
      } else if (rng.chance(0.3)) {
        reader.pause()
        await new Promise(resolve => setTimeout(resolve, 30))
        reader.resume()
      } else if (readers.length < 7 && rng.chance(0.2)) {
        const late = new Reader(ann, rng.pick([undefined, conversationId]))
        await late.open(t, rng.pick(nodes))
        readers.push(late)
      }
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
  const disturbing = disturb()
  const grown = await Promise.all(Array.from({ length: count }, async (_, n) => await grow(n)))
  state.over = true
  await disturbing

  const deadline = performance.now() + 20_000
  for (const reader of readers) {
    const isDone = (): boolean => reader.texts.size === 0 && grown.every(([id]) => reader.finished.has(id) || !isEarly(reader))
    while (!isDone() && performance.now() < deadline) {
      await new Promise(resolve => setTimeout(resolve, 20))
      await reader.fold()
    }
    for (const [id, text] of grown) {
      const known = reader.finished.get(id)
      if (known !== undefined ? known !== text : isEarly(reader)) problems.push(`a reader holds ${String(known?.length)} of ${text.length}`)
    }
    problems.push(...reader.problems)
  }
  return problems

  /** Whether it has been there from the beginning. Who came late may have missed what was finished before. */
  function isEarly (reader: Reader): boolean {
    return readers.indexOf(reader) < 4
  }
}
