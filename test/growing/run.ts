import { callOnce, type Answer } from '../chaos/api.js'
import { Rng } from '../chaos/rng.js'
import { mint } from '../chaos/token.js'
import type { Nodes } from './nodes.js'
import { Reader } from './reader.js'

export interface GrowingOptions {
  seed: string
  /** Messages that grow at the same time, and how often something is appended to each. */
  messages: number
  appends: number
  /** How often a node is killed meanwhile. They grow on until it has happened. */
  kills?: number
}

const ALPHABET = ['a', 'é', '漢', '😀', ' ', '\n', '\u2028', '"', '\\']
/** Readers who are there from the beginning. Who comes late may have missed what was finished before. */
const EARLY = 4
const READERS = 7
const PATIENCE_MS = 30_000

/** What was answered of a message that grows. */
interface Grown { id: string, text: string }

/**
 * Appends at random, with repetitions, through any of the nodes, while readers are cut, resume on another node, stop reading, and come
 * late, and nodes are killed. @returns what is wrong
 */
export async function runGrowing ({ ports, crash }: Nodes, { seed, messages: count, appends, kills = 0 }: GrowingOptions): Promise<string[]> {
  const rng = new Rng(seed)
  const problems: string[] = []
  const grown: Grown[] = []
  const crashes = { left: kills, isUnderWay: false }
  const nextCrash = (): number => rng.integer(1, Math.max(1, Math.floor(count * appends / (kills + 1))))
  let untilCrash = nextCrash()

  const port = (): number => rng.pick(ports)
  const once = async (userId: string, method: string, path: string, body?: object): Promise<Answer> =>
    await callOnce(port(), method, path, { token: mint(userId), ...(body === undefined ? {} : { body }) })
  /** Repeats a call until it is answered, as a client does. */
  const call = async (userId: string, method: string, path: string, body?: object): Promise<Answer> => {
    for (;;) {
      const answer = await once(userId, method, path, body).catch(() => undefined)
      if (answer !== undefined && answer.status < 500 && answer.status !== 429) return answer
      await new Promise(resolve => setTimeout(resolve, answer?.status === 429 ? 1000 : 20))
    }
  }
  /** Kills a node at once. What was answered until now is there when it is back. */
  const kill = async (): Promise<void> => {
    const answered = grown.map(message => ({ ...message }))
    await crash!(rng.integer(0, ports.length - 1))
    for (const { id, text } of answered) {
      const { body } = await call('ann', 'GET', `/api/chat/messages/${id}`)
      if (!String(body.text).startsWith(text)) problems.push(`${text.length} were answered before a kill, and there are ${String(body.text).length}`)
    }
  }
  const answered = (): void => {
    if (crashes.left === 0 || crashes.isUnderWay || --untilCrash > 0) return
    untilCrash = nextCrash()
    crashes.isUnderWay = true
    void kill().catch((error: unknown) => { problems.push(String(error)) }).finally(() => {
      crashes.left--
      crashes.isUnderWay = false
    })
  }

  for (const userId of ['bot', 'ann']) await call(userId, 'GET', '/api/chat/me')
  const { body: { id: group } } = await call('bot', 'POST', '/api/chat/conversations', { type: 'group', participantIds: ['ann'] })
  const conversationId = String(group)
  const readers = [undefined, conversationId, undefined, conversationId].map(id => new Reader('ann', id, port))
  for (const reader of readers) await reader.open()

  const grow = async (n: number): Promise<void> => {
    const { status: sent, body: { id } } = await call('bot', 'POST', '/api/chat/messages', { conversationId, text: '', growing: true, clientId: `m${n}` })
    if (sent > 201) problems.push(`a message is answered ${sent}`)
    const message: Grown = { id: String(id), text: '' }
    grown.push(message)
    for (let append = 0; append < appends || crashes.left > 0; append++) {
      const { text } = message
      const body = { offset: text.length, text: Array.from({ length: rng.integer(1, 30) }, () => rng.pick(ALPHABET)).join('') }
      for (let again = true; again; again = rng.chance(0.3)) {
        const { status, body: answer } = await call('bot', 'POST', `/api/chat/messages/${message.id}/append`, body)
        if (status !== 200 || answer.length !== text.length + body.text.length) problems.push(`append: ${status} ${JSON.stringify(answer)}`)
        message.text = text + body.text
        answered()
      }
      if (rng.chance(0.1)) await call('ann', 'POST', '/api/chat/messages', { conversationId, text: 'between' })
    }
    const { status, body } = await call('bot', 'POST', `/api/chat/messages/${message.id}/finish`)
    if (status !== 200 || body.text !== message.text) problems.push(`finish: ${status} ${String(body.text).length} of ${message.text.length}`)
  }

  const state = { over: false }
  const disturb = async (): Promise<void> => {
    while (!state.over) {
      const reader = rng.pick(readers)
      await reader.fold()
      await reader.open()
      if (rng.chance(0.3)) {
        await reader.cut()
        await reader.open()
      } else if (rng.chance(0.3)) {
        reader.pause()
        await new Promise(resolve => setTimeout(resolve, 30))
        reader.resume()
      } else if (readers.length < READERS && rng.chance(0.2)) {
        const late = new Reader('ann', rng.pick([undefined, conversationId]), port)
        await late.open()
        readers.push(late)
      }
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
  const disturbing = disturb()
  await Promise.all(Array.from({ length: count }, async (_, n) => { await grow(n) }))
  state.over = true
  await disturbing

  const deadline = performance.now() + PATIENCE_MS
  for (const [index, reader] of readers.entries()) {
    const isDone = (): boolean => reader.texts.size === 0 && grown.every(({ id }) => reader.finished.has(id) || index >= EARLY)
    while (!isDone() && performance.now() < deadline) {
      await reader.open()
      await new Promise(resolve => setTimeout(resolve, 20))
      await reader.fold()
    }
    for (const { id, text } of grown) {
      const known = reader.finished.get(id)
      if (known !== undefined ? known !== text : index < EARLY) problems.push(`a reader holds ${String(known?.length)} of ${text.length}`)
    }
    problems.push(...reader.problems)
    await reader.cut()
  }
  return problems
}
