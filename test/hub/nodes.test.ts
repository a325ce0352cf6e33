import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { MemoryNetwork, type MemoryBus } from '../../hub/buses/memory.js'
import type { Emission } from '../../hub/emission.js'
import { hiddenFrom } from '../../hub/hidden.js'
import { Hub } from '../../hub/hub.js'
import type { Stream } from '../../hub/stream.js'
import { eventually } from './eventually.js'
import { FaultyBus, type Faults } from './faulty-bus.js'
import { MemoryLog } from './memory-log.js'
import { MemorySink } from './memory-sink.js'

/** Several hubs on one log, like nodes on one database. */

interface Events {
  note: { n: number }
  hint: { n: number }
}

const PERFECT: Faults = { lose: 0, repeat: 0, delayMs: 0 }

class Node {
  readonly hub: Hub<Events>
  readonly bus: MemoryBus
  readonly #log: MemoryLog<Events>

  private constructor (bus: MemoryBus, faults: Faults, log: MemoryLog<Events>) {
    this.bus = bus
    this.hub = new Hub<Events>({ bus: faults === PERFECT ? bus : new FaultyBus(bus, faults) })
    this.#log = log
  }

  static async start (t: Test, network: MemoryNetwork, log: MemoryLog<Events>, faults = PERFECT): Promise<Node> {
    const node = new Node(network.join(), faults, log)
    await node.hub.useLog(log)
    t.teardown(async () => { await node.hub.close() })
    return node
  }

  /** What a commit does. */
  commit (topic: string, n: number, routing: Pick<Emission<Events>, 'joins' | 'leaves' | 'except'> = {}): Emission<Events> {
    const emission = this.#log.append({ type: 'note', data: { n }, topics: [topic], ...routing })
    this.hub.emit(emission)
    this.hub.settle(emission.position!)
    return emission
  }

  /** A commit of a process that dies before it can announce it. */
  commitInSilence (topic: string, n: number): void {
    this.#log.append({ type: 'note', data: { n }, topics: [topic] })
  }

  follow (topic: string, userId = 'somebody'): MemorySink {
    const sink = new MemorySink()
    const follows = [{ topic, head: this.#log.newest(topic) }]
    this.hub.start({ id: crypto.randomUUID(), userId, sink, all: false, echo: false, expiresAt: null, follows })
    return sink
  }

  /** `baseline` is for a stream that resumes from a later position than this node knows. */
  followAll (userId: string, topics: string[], baseline?: number): { sink: MemorySink, stream: Stream } {
    const sink = new MemorySink()
    const follows = topics.map(topic => ({ topic, head: this.#log.newest(topic) }))
    const stream = this.hub.start({
      id: crypto.randomUUID(), userId, sink, all: true, echo: false, expiresAt: null, follows, ...(baseline === undefined ? {} : { baseline })
    })
    return { sink, stream }
  }
}

/** Three nodes. A test that needs fewer uses fewer. */
async function nodes (t: Test, faults = PERFECT, log = new MemoryLog<Events>()): Promise<[Node, Node, Node]> {
  const network = new MemoryNetwork()
  const start = async (): Promise<Node> => await Node.start(t, network, log, faults)
  return [await start(), await start(), await start()]
}

const numbers = (sink: MemorySink, type: keyof Events = 'note'): number[] =>
  sink.events.filter(event => event.type === type).map(({ data }) => data['n'] as number)

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

t.test('an event reaches the followers on all nodes, at once', async t => {
  const [a, b, c] = await nodes(t)
  const sinks = [a.follow('x'), b.follow('x'), c.follow('x'), c.follow('y')]
  await sleep(100)
  const before = performance.now()
  a.commit('x', 1)
  await eventually(() => sinks.slice(0, 3).every(sink => numbers(sink).length === 1))
  t.ok(performance.now() - before < 500)
  t.same(numbers(sinks[3]!), [])
})

t.test('an event is hidden from users on all nodes, or for one of them only', async t => {
  const [a, b] = await nodes(t)
  const [me, you] = [b.followAll('me', ['x', 'y']).sink, b.followAll('you', ['x', 'y']).sink]
  const [mine, yours] = [b.follow('x', 'me'), b.follow('x', 'you')]
  await sleep(100)
  const hint = (n: number, routing: Partial<Emission<Events>>): Emission<Events> => ({ type: 'hint', data: { n }, topics: ['x'], ...routing } as Emission<Events>)
  a.hub.emit(hint(1, { hidden: hiddenFrom(['me']) }), hint(2, { only: 'me' }), hint(3, { topics: ['x', 'y'], hidden: hiddenFrom(['you', 'me']) }),
    hint(4, { topics: ['x', 'y'], only: 'you' }), hint(5, {}))
  await eventually(() => [me, mine].every(sink => numbers(sink, 'hint').length === 2) && [you, yours].every(sink => numbers(sink, 'hint').length === 3))
  for (const sink of [me, mine]) t.same(numbers(sink, 'hint').toSorted(), [2, 5])
  for (const sink of [you, yours]) t.same(numbers(sink, 'hint').toSorted(), [1, 4, 5])
})

for (const [name, faults] of Object.entries({
  'a bus that loses, repeats and reorders': { lose: 0.3, repeat: 0.3, delayMs: 40 },
  'a bus that reorders': { lose: 0, repeat: 0, delayMs: 100 },
  'a bus that loses everything': { lose: 1, repeat: 0, delayMs: 0 }
})) {
  t.test(`every follower gets every event once and in order over ${name}`, async t => {
    const log = new MemoryLog<Events>()
    log.delayMs = 3
    const all = await nodes(t, faults, log)
    const topics = ['p', 'q', 'r']
    const early = topics.flatMap(topic => all.map(node => ({ topic, sink: node.follow(topic), from: 0 })))
    const everything = all.map(node => node.followAll('somebody', topics).sink)
    const counts = new Map(topics.map(topic => [topic, 0]))
    const late: typeof early = []
    for (let round = 0; round < 300; round++) {
      const topic = topics[round % 3]!
      const node = all[Math.floor(Math.random() * all.length)]!
      const n = counts.get(topic)! + 1
      counts.set(topic, n)
      if (Math.random() < 0.05) node.commitInSilence(topic, n)
      else node.commit(topic, n)
      if (round % 30 === 0) late.push({ topic, sink: all[round % 2]!.follow(topic), from: n })
      if (Math.random() < 0.3) await sleep(Math.random() * 10)
    }
    const total = 300
    await eventually(() => everything.every(sink => numbers(sink).length >= total) &&
      [...early, ...late].every(({ topic, sink, from }) => numbers(sink).length >= counts.get(topic)! - from), 5000)
    for (const { topic, sink, from } of [...early, ...late]) {
      // A late follower starts where the node is, which may be slightly behind.
      const seen = numbers(sink)
      t.same(seen, upTo(counts.get(topic)!).slice(-seen.length), `all in order, from ${from} on at the latest`)
    }
    for (const sink of everything) t.equal(numbers(sink).length, total)
    t.ok(everything.every(sink => Number(sink.events.at(-1)!.id!.split('.')[1]) <= total), 'no cursor is ahead of the log')
  })
}

t.test('who comes from a node that knew more is never given a position before that', async t => {
  const [a, b] = await nodes(t, { lose: 1, repeat: 0, delayMs: 0 })
  const early = b.followAll('bob', ['x', 'y'])
  for (const n of upTo(20)) a.commit('x', n)
  // Resumed from the newest position, before this node knows it.
  const { sink } = b.followAll('bea', ['x', 'y'], 20)
  a.commit('y', 1)
  b.commit('y', 2)
  await eventually(() => numbers(sink).length === 2 && numbers(early.sink).length === 22)
  t.same(sink.events.filter(({ id }) => Number(id!.split('.')[1]) < 20), [])
})

t.test('streams of all topics follow a new one, whichever node it comes from', async t => {
  for (const faults of [PERFECT, { lose: 1, repeat: 0, delayMs: 0 }, { lose: 0, repeat: 1, delayMs: 50 }]) {
    for (const crowd of [[], upTo(20).map(n => `user ${n}`)]) {
      const [a, b] = await nodes(t, faults)
      const { sink } = b.followAll('bea', [])
      await sleep(60)
      a.commit('new', 1, { joins: ['ann', 'bea', ...crowd] })
      a.commit('new', 2)
      await eventually(() => numbers(sink).length >= 2, 3000)
      a.commit('new', 3)
      await eventually(() => numbers(sink).length >= 3, 3000)
      t.same(numbers(sink), [1, 2, 3])
    }
  }
})

t.test('who is removed on one node gets nothing more on another, ephemeral events included', async t => {
  const [a, b] = await nodes(t, { lose: 0.5, repeat: 0.5, delayMs: 60 })
  const own = b.follow('x', 'bea')
  const all = b.followAll('bea', ['x']).sink
  const other = b.follow('x', 'bob')
  await sleep(60)
  a.commit('x', 1)
  const { seq } = a.commit('x', 2, { leaves: 'bea' })
  a.hub.emit({ type: 'hint', data: { n: 0 }, topics: ['x'], after: seq! })
  for (let n = 3; n < 20; n++) {
    a.hub.emit({ type: 'hint', data: { n }, topics: ['x'], after: a.commit('x', n).seq! })
    await sleep(5)
  }
  await eventually(() => numbers(other).length === 19, 4000)
  t.same(numbers(own), [1, 2])
  t.same(numbers(all), [1, 2])
  t.same([numbers(own, 'hint'), numbers(all, 'hint')], [[], []])
  t.equal(own.events.at(-1)!.data['reason'], 'removed')
  const types = other.events.map(({ type, data }) => [type, data['n'] as number] as const)
  t.ok(types.every(([type, n], index) => type === 'note' || n === 0 || types.slice(0, index).some(([before, m]) => before === 'note' && m === n)), 'no hint before its note')
})

t.test('an event for several topics reaches each stream once', async t => {
  const [a, b] = await nodes(t, { lose: 0, repeat: 1, delayMs: 30 })
  const topics = Array.from({ length: 40 }, (_, index) => `topic ${index}`)
  const sinks = [a.followAll('x', topics).sink, b.followAll('x', topics).sink, b.follow(topics[7]!), b.followAll('y', [topics[3]!, topics[9]!]).sink]
  await sleep(60)
  for (let n = 1; n <= 20; n++) a.hub.emit({ type: 'hint', data: { n }, topics })
  await eventually(() => sinks.every(sink => numbers(sink, 'hint').length >= 20))
  await sleep(150)
  for (const sink of sinks) t.same(numbers(sink, 'hint').toSorted((x, y) => x - y), upTo(20))
})

t.test('a bus that was away is made up for as soon as it is back', async t => {
  const [a, b] = await nodes(t)
  const sink = b.follow('x')
  await sleep(60)
  b.bus.disconnect()
  t.notOk(b.hub.busConnected)
  a.commit('x', 1)
  b.bus.reconnect()
  const before = performance.now()
  await eventually(() => numbers(sink).length === 1)
  t.ok(performance.now() - before < 300)
})

t.test('an event for thousands of topics goes once to each node, however many topics it has, and comes once to each stream', async t => {
  for (const maxMessageBytes of [undefined, 7800]) {
    const [a, b, c] = await nodes(t)
    const topics = Array.from({ length: 10_000 }, (_, index) => `group_${String(index).padStart(36, '0')}`)
    const one = b.follow(topics[1]!)
    const { sink: many } = b.followAll('me', [...topics.slice(0, 500), topics[9_999]!])
    const none = c.follow('another')
    if (maxMessageBytes !== undefined) Object.assign(a.bus, { maxMessageBytes })
    const published: string[] = []
    const publish = a.bus.publish.bind(a.bus)
    a.bus.publish = (channel, message) => {
      published.push(message())
      publish(channel, message)
    }
    await sleep(50)
    a.hub.emit({ type: 'hint', data: { n: 1 }, topics })
    a.commit('marker', 2, { joins: ['me'] })
    await eventually(() => numbers(many).length === 1 && numbers(one, 'hint').length === 1)
    t.same([numbers(many, 'hint'), numbers(one, 'hint'), numbers(none, 'hint')], [[1], [1], []])
    t.ok(published.length <= (maxMessageBytes === undefined ? 10 : 70), `${published.length} messages`)
    t.ok(published.every(message => Buffer.byteLength(message) <= (maxMessageBytes ?? 65_536)))
  }
})

t.test('a group with a thousand who join is told in one message', async t => {
  const [a, b] = await nodes(t)
  const { sink } = b.followAll('user 999', [])
  const channels: string[] = []
  const publish = a.bus.publish.bind(a.bus)
  a.bus.publish = (channel, message) => {
    channels.push(channel)
    publish(channel, message)
  }
  await sleep(50)
  a.commit('x', 1, { joins: Array.from({ length: 1000 }, (_, index) => `user ${index}`) })
  await eventually(() => numbers(sink).length === 1)
  t.ok(channels.length <= 2, channels.slice(0, 5).join())
})

t.test('what a node of the version before tells is heard: one message for each topic', async t => {
  const [a, b] = await nodes(t)
  const { sink } = b.followAll('me', ['x', 'y'])
  await sleep(50)
  for (const topic of ['x', 'y']) {
    a.bus.publish(`t:${topic}`, () => JSON.stringify({ type: 'hint', data: { n: 1 }, topics: [topic], key: 'k', broadcast: true }))
  }
  a.commit('y', 2)
  await eventually(() => numbers(sink).length === 1)
  t.same(numbers(sink, 'hint'), [1])
})
