import { once } from 'node:events'
import { test, type Test } from 'tap'
import { LocalBus } from '../../hub/bus.js'
import { MemoryNetwork } from '../../hub/buses/memory.js'
import type { Emission } from '../../hub/emission.js'
import { Hub, type HubOptions } from '../../hub/hub.js'
import { eventually } from './eventually.js'
import { MemoryLog } from './memory-log.js'
import { MemorySink } from './memory-sink.js'

// A host's own events may contain values that JSON cannot represent. Only that event must fail.

interface Events { note: { n: unknown } | undefined }

const circle: Record<string, unknown> = {}
circle['circle'] = circle
const unsendable: Record<string, Events['note']> = {
  'a BigInt': { n: 1n },
  'a circle': { n: circle },
  'a toJSON that throws': { n: { toJSON () { throw new Error('not me') } } },
  'a getter that throws': { get n () { throw new Error('nor me') } },
  'nothing at all': undefined
}

function start (t: Test, options: HubOptions = {}): { hub: Hub<Events>, errors: Error[] } {
  const errors: Error[] = []
  const hub = new Hub<Events>({ onError: error => { errors.push(error) }, ...options })
  t.teardown(async () => { await hub.close() })
  return { hub, errors }
}

const numbers = (sink: MemorySink): unknown[] => sink.events.map(({ data }) => data['n'])
const note = (n: unknown, ...topics: string[]): Emission<Events> => ({ type: 'note', data: { n }, topics })

for (const [what, data] of Object.entries(unsendable)) {
  test(`${what} in an event`, async t => {
    const network = new MemoryNetwork()
    const { hub, errors } = start(t, { bus: network.join() })
    const other = start(t, { bus: network.join() })
    const [near, far] = [new MemorySink(), new MemorySink()]
    hub.subscribe(near, { topics: ['a', 'b'] })
    other.hub.subscribe(far, { topics: ['a', 'b'] })
    for (const topics of [['a'], ['a', 'b'], ['nobody']]) {
      t.doesNotThrow(() => { hub.emit(note(1, 'a'), { type: 'note', data, topics }, note(2, 'a')) })
    }
    await eventually(() => numbers(near).length === 6 && numbers(far).length === 6)
    t.strictSame(numbers(near), [1, 2, 1, 2, 1, 2], 'the others go on')
    t.strictSame(numbers(far), [1, 2, 1, 2, 1, 2], 'on other nodes, too')
    t.ok(errors.length >= 2)
    t.match(errors[0], { message: /The event note of a can't be sent/, cause: Error })
  })
}

test('what is no event, or has numbers and names that are none', async t => {
  const { hub, errors } = start(t)
  const sink = new MemorySink()
  hub.subscribe(sink, { topics: ['a'] })
  const good = note(1, 'a')
  const bad = [undefined, null, 'note', 5, { ...good, type: undefined }, { ...good, type: Symbol('note') }, { ...good, type: 5 }, { ...good, topics: undefined }, { ...good, topics: 'a' },
    { ...good, topics: [undefined] }, { ...good, topics: [Symbol('a')] }, { ...good, topics: [1n] }, { ...good, seq: 5n }, { ...good, seq: '5' }, { ...good, seq: NaN }, { ...good, seq: 0.5 },
    { ...good, after: 5n }, { ...good, seq: 1, position: 5n }, { ...good, seq: 1, position: 1, tag: 5n }, { ...good, id: 5n }, { ...good, except: Symbol('x') }, { ...good, joins: 5 },
    { ...good, joins: [5n] }, { ...good, leaves: {} }]
  for (const emission of bad) t.doesNotThrow(() => { hub.emit(emission as Emission<Events>) })
  t.equal(errors.length, bad.length, 'each is told')
  hub.emit(note('after', 'a'))
  await eventually(() => sink.events.length > 0)
  t.strictSame(numbers(sink), ['after'], 'nothing of them was sent, and the next event is')
})

test('a durable one leaves no hole where there is no log', async t => {
  const { hub, errors } = start(t)
  const sink = new MemorySink()
  hub.subscribe(sink, { topics: ['a'] })
  hub.emit({ ...note(1, 'a'), seq: 1, id: 'a.1' }, { ...note(2n, 'a'), seq: 2, id: 'a.2' }, { ...note(3, 'a'), seq: 3, id: 'a.3' })
  await eventually(() => numbers(sink).length === 2)
  t.strictSame(numbers(sink), [1, 3])
  t.match(sink.text, 'id: a.2\n:\n\n', 'streams go on to its id')
  t.equal(errors.length, 1)
})

test('a durable one is read in the log, where it may be in a better shape; here and on other nodes', async t => {
  const log = new MemoryLog<Events>()
  const network = new MemoryNetwork()
  const nodes = [start(t, { bus: network.join() }), start(t, { bus: network.join() })]
  const sinks = [new MemorySink(), new MemorySink()]
  for (const [index, { hub }] of nodes.entries()) {
    await hub.useLog(log)
    hub.subscribe(sinks[index]!, { topics: ['a'] })
  }
  for (const n of [1, 2, 3]) {
    const event = log.append(note(n, 'a'))
    nodes[0]!.hub.emit(n === 2 ? { ...event, data: { n: 2n } } : event)
    nodes[0]!.hub.settle(event.position!)
  }
  await eventually(() => sinks.every(sink => numbers(sink).length === 3))
  for (const sink of sinks) t.strictSame(numbers(sink), [1, 2, 3])
})

test('where the log has it in no better shape, the topic goes on', async t => {
  const log = new MemoryLog<Events>()
  const { hub, errors } = start(t)
  await hub.useLog(log)
  const sink = new MemorySink()
  hub.subscribe(sink, { topics: ['a'] })
  for (const n of [1, 2n, 3]) {
    const event = log.append(note(n, 'a'))
    hub.emit(event)
    hub.settle(event.position!)
  }
  await eventually(() => numbers(sink).length === 2)
  t.strictSame(numbers(sink), [1, 3])
  t.ok(errors.length > 0)
})

test('a bus that throws, and a listener that does', async t => {
  class BadBus extends LocalBus {
    override publish (): void { throw new Error('no bus at all') }
  }
  const hub = new Hub<Events>({ bus: new BadBus(), onError () { throw new Error('no listener, either') } })
  t.teardown(async () => { await hub.close() })
  const sink = new MemorySink()
  hub.subscribe(sink, { topics: ['a'] })
  t.doesNotThrow(() => { hub.emit(note(1, 'a'), note(1n, 'a'), note(2, 'a')) })
  await eventually(() => numbers(sink).length === 2)
})

test('without a listener it is a warning of the process', async t => {
  const hub = new Hub<Events>()
  t.teardown(async () => { await hub.close() })
  hub.subscribe(new MemorySink(), { topics: ['a'] })
  const warned = once(process, 'warning')
  hub.emit(note(1n, 'a'))
  t.match(await warned, [{ message: /can't be sent/ }])
})
