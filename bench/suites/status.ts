import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Caller, callAll, each, type Call } from '../load/caller.js'
import { Pairs, perCall, type Pair } from '../load/pairs.js'
import { latency, Room } from '../load/room.js'
import { cpuMicros } from '../measure/process.js'
import type { Context, Suite } from '../suite.js'
import { Product, ProductRoom } from '../systems/product.js'

const PAIRS = 2000
const MEMBERS = 1000
/** Users whom each writer of the second half blocks. */
const BLOCKED = Array.from({ length: 10 }, (_, index) => `blocked-${index}`)
/** Connections by which the thousand call: all that a client library would open at once, and more. */
const CONNECTIONS = 256
/** Calls for the receipts of a message, one after the other. */
const RECEIPTS = 100

const suite: Suite = {
  summary: 'status, typing, online, own state and blocks against messages; a thousand members marking a message read at once, and who has read it',
  async run (context) {
    await calls(context)
    await crowd(context)
  }
}

async function calls (context: Context): Promise<void> {
  const product = await Product.start()
  try {
    context.progress('making the conversations')
    const pairs = new Pairs(product, PAIRS)
    await pairs.open()
    await product.makeUsers(BLOCKED)
    const [withoutBlocks, withBlocks] = [pairs.all.slice(0, PAIRS / 2), pairs.all.slice(PAIRS / 2)]
    await product.calls(withBlocks.flatMap(({ a }) => BLOCKED.map(userId => ({ a, userId }))),
      ({ a, userId }) => ({ method: 'PUT', path: `/api/chat/blocks/${userId}`, userId: a }))
    const round = async (callOf: (pair: Pair) => Call, of = pairs.all): Promise<number> => perCall(await pairs.work(each(of, callOf), 1))
    const ownState = (favourite: boolean) => ({ b, conversationId }: Pair): Call =>
      ({ method: 'PATCH', path: `/api/chat/conversations/${conversationId}/me`, userId: b, body: { favourite } })
    const kinds: Record<string, (pair: Pair) => Call> = {
      'a message': pair => pairs.message(pair),
      delivered: ({ b, messageId }) => ({ method: 'PUT', path: `/api/chat/messages/${messageId}/status`, userId: b, body: { status: 'delivered' } }),
      read: ({ b, messageId }) => ({ method: 'PUT', path: `/api/chat/messages/${messageId}/status`, userId: b, body: { status: 'read' } }),
      'typing on': ({ a, conversationId }) => ({ method: 'POST', path: '/api/chat/typing', userId: a, body: { conversationId, isTyping: true } }),
      'typing off': ({ a, conversationId }) => ({ method: 'POST', path: '/api/chat/typing', userId: a, body: { conversationId, isTyping: false } }),
      'online on': ({ a }) => ({ method: 'PUT', path: '/api/chat/status/online', userId: a, body: { isOnline: true } }),
      'online off': ({ a }) => ({ method: 'PUT', path: '/api/chat/status/online', userId: a, body: { isOnline: false } }),
      'own state on': ownState(true),
      'own state off': ownState(false)
    }
    const [plain, blocking]: [number[], number[]] = [[], []]
    const cost = new Map<string, number[]>(Object.keys(kinds).map(kind => [kind, []]))
    const rounds = context.pick(7, 4)
    for (let repeat = 0; repeat <= rounds; repeat++) {
      context.progress(repeat === 0 ? 'warming up' : `${repeat} of ${rounds}`)
      for (const [kind, callOf] of Object.entries(kinds)) {
        const value = await round(callOf)
        if (repeat > 0) cost.get(kind)!.push(value)
      }
      for (const [costs, of] of [[plain, withoutBlocks], [blocking, withBlocks]] as const) {
        const value = await round(pair => pairs.message(pair), of)
        if (repeat > 0) costs.push(value)
      }
    }
    pairs.close()
    await pairs.verify()
    const medians = new Map([...cost].map(([kind, values]) => [kind, context.figure(product.name, kind, 'µs', values)]))
    const message = medians.get('a message')!
    for (const [kind, value] of medians) if (kind !== 'a message') context.target(`${kind}, of a message`, value / message, 1, '×')
    const blocks = context.figure(product.name, 'a message by who blocks ten', 'µs', blocking)
    const noBlocks = context.figure(product.name, 'a message by who blocks nobody', 'µs', plain)
    context.target('a message by who blocks ten, of one by who blocks nobody', blocks / noBlocks, 1.05, '×')
  } finally {
    await product.stop()
  }
}

async function crowd (context: Context): Promise<void> {
  const system = await ProductRoom.start()
  try {
    context.progress('opening the group')
    const room = new Room(system, 8)
    await room.open(MEMBERS)
    await room.burst(2000)
    const callers = Array.from({ length: CONNECTIONS }, () => new Caller(system.port))
    const readers = Array.from({ length: MEMBERS }, (_, member) => member).filter(member => member >= 8)
    const own = monitorEventLoopDelay({ resolution: 1 })
    own.enable()
    const ownDelays: number[] = []
    const windows = await context.repeat('a thousand read', async () => {
      await room.steady(10, 100)
      own.reset()
      const path = `/api/chat/messages/${room.newest}/status`
      const window = await room.crowd(callers, each(readers, member =>
        ({ method: 'PUT', path, userId: system.userId(member), body: { status: 'read' } })))
      ownDelays.push(own.max / 1e6)
      return window
    })
    const receipts = await context.repeat('receipts', async () => {
      const before = cpuMicros(system.pid)
      const path = `/api/chat/messages/${room.newest}/receipts?limit=1000`
      await callAll(callers.slice(0, 1), each(readers.slice(0, RECEIPTS), member => ({ method: 'GET', path, userId: system.userId(member) })))
      return (cpuMicros(system.pid) - before) / RECEIPTS / 1000
    })
    room.close()
    await room.verify()
    const cpu = context.figure(system.name, 'a thousand read, in all', 's', windows.map(({ cpuMicros }) => cpuMicros / 1e6))
    // The load reads a million events meanwhile: what it takes for that is in the latency, too
    context.figure('the load itself', 'longest delay of its event loop', 'ms', ownDelays)
    const p99 = context.figure(system.name, 'a message meanwhile, p99', 'ms', windows.map(window => latency(window, 0.99)))
    context.target('a thousand members marking a message read', cpu, 2, 's')
    context.target('a message sent meanwhile, p99', p99, 100, 'ms')
    context.target('receipts of a thousand', context.figure(system.name, 'receipts of a thousand', 'ms', receipts), 10, 'ms')
  } finally {
    await system.stop()
  }
}

export default suite
