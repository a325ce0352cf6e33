import { Canon, Follower } from '../load/canon.js'
import { Caller, each } from '../load/caller.js'
import { Pairs, perCall } from '../load/pairs.js'
import { cpuMicros } from '../measure/process.js'
import { sleep, until } from '../measure/statistics.js'
import type { Context, Suite } from '../suite.js'
import { Product } from '../systems/product.js'

const PAIRS = 500
/** A group holds a thousand: these, and the one who writes. */
const READERS = 999
/** Twenty a second are as many as a message takes. */
const PAUSE_MS = 51
const OPEN_MS = 60_000
const TEXT = ' twenty of them, all'

/** What an append costs, beside a message. */
async function appends (context: Context): Promise<void> {
  const product = await Product.start({ env: { SEARCH: 'off' } })
  const pairs = new Pairs(product, PAIRS)
  try {
    await pairs.open()
    const costs: Array<[message: number, append: number]> = []
    const once = async (ms: number): Promise<[number, number]> => {
      const message = perCall(await pairs.messages(ms))
      await pairs.work(each(pairs.all, pair => pairs.growing(pair)), 1)
      const append = perCall(await pairs.messages(ms, pair => pairs.append(pair)))
      await pairs.work(each(pairs.all, pair => pairs.finish(pair)), 1)
      return [message, append]
    }
    await once(context.pick(4000, 2000))
    await context.repeat('messages and appends', async () => { costs.push(await once(context.pick(3000, 1500))) }, context.pick(9, 5))
    const message = context.figure(product.name, 'CPU a message', 'µs', costs.map(([message]) => message))
    const append = context.figure(product.name, 'CPU an append of 20 characters', 'µs', costs.map(([, append]) => append))
    context.target('an append, of a message', append / message, 1, '×')
  } finally {
    pairs.close()
    await product.stop()
  }
}

/** What those cost who read a message that grows. */
async function readers (context: Context): Promise<void> {
  const product = await Product.start({ env: { SEARCH: 'off', MAX_TEXT_LENGTH: '16000' } })
  const caller = new Caller(product.port)
  const post = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const answer = await caller.call({ method: 'POST', path, userId: 'writer', body })
    if (answer.status >= 300) throw new Error(`void: ${path} was answered ${answer.status} ${answer.body}`)
    return JSON.parse(answer.body) as Record<string, unknown>
  }
  try {
    const userIds = Array.from({ length: READERS }, (_, index) => `reader-${index}`)
    await product.makeUsers(['writer', ...userIds])
    const conversationId = await product.makeGroup(['writer', ...userIds])
    const canon = new Canon(false)
    const followers = userIds.map(() => new Follower(canon))
    let connected = 0
    const streams = userIds.map((userId, index) => product.open(userId, conversationId, followers[index]!, () => { connected++ }))
    await until(() => connected === READERS, OPEN_MS, 'opening all streams')
    // Who comes before it grows is told the same as all others
    const { id } = await post('/api/chat/messages', { conversationId, text: '', growing: true })
    let offset = 0
    const window = async (ms: number): Promise<number> => {
      const [before, from] = [cpuMicros(product.pid), offset]
      for (let index = 0; index < ms / PAUSE_MS; index++) {
        await sleep(PAUSE_MS)
        await post(`/api/chat/messages/${String(id)}/append`, { offset, text: TEXT })
        offset += TEXT.length
      }
      await until(() => textLength(canon) === offset && followers.every(({ complete }) => complete), OPEN_MS, 'that every stream has everything')
      return (cpuMicros(product.pid) - before) / (READERS * (offset - from) / TEXT.length)
    }
    await window(context.pick(3000, 2000))
    const costs = await context.repeat('readers', async () => await window(context.pick(6000, 3000)))
    for (const stream of streams) stream.close()
    context.target('a delivery of an append, of 20 a second', context.figure(product.name, 'CPU a delivery to 999 readers', 'µs', costs), 1, 'µs')
  } finally {
    caller.close()
    await product.stop()
  }
}

/** What all streams have been told of the message's text. */
function textLength ({ bytes, length }: Canon): number {
  const [last] = bytes.toString('utf8', Math.max(0, length - 20_000), length).match(/"offset":\d+,"text":"[^"]*"(?![^]*"offset":)/) ?? []
  const { offset = 0, text = '' } = last === undefined ? {} : JSON.parse(`{${last}}`) as { offset?: number, text?: string }
  return offset + text.length
}

const suite: Suite = {
  summary: 'messages that grow: an append beside a message, 999 streams that read one which grows 20 times a second',
  async run (context) {
    await appends(context)
    await readers(context)
  }
}

export default suite
