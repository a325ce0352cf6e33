import t, { type Test } from 'tap'
import { MemoryNetwork } from '../../hub/buses/memory.js'
import { Hub } from '../../hub/hub.js'
import { LEFT_MAX, type Stream } from '../../hub/stream.js'
import { EARLY_MAX } from '../../hub/topic.js'
import { eventually } from './eventually.js'
import { MemoryLog } from './memory-log.js'
import { MemorySink } from './memory-sink.js'

/** Everything that a remote user can make grow is bounded. Beyond the bound, nothing is lost that must not be. */

interface Events { note: { n: number }, hint: { n: number } }

async function start (t: Test, log: MemoryLog<Events>, network = new MemoryNetwork()): Promise<Hub<Events>> {
  const hub = new Hub<Events>({ bus: network.join() })
  await hub.useLog(log)
  t.teardown(async () => { await hub.close() })
  return hub
}

function follow (hub: Hub<Events>, log: MemoryLog<Events>, userId: string, ...topics: string[]): { sink: MemorySink, stream: Stream } {
  const sink = new MemorySink()
  const stream = hub.start({
    id: crypto.randomUUID(), userId, sink, all: true, echo: false, expiresAt: null, follows: topics.map(topic => ({ topic, head: log.newest(topic) }))
  })
  return { sink, stream }
}

const numbers = (sink: MemorySink): unknown[] => sink.events.map(({ data }) => data['n'])

t.test('a stream remembers a bounded number of the topics it has left; a join that comes again after that shows nothing new', async t => {
  const log = new MemoryLog<Events>()
  const hub = await start(t, log)
  const { sink, stream } = follow(hub, log, 'me')
  follow(hub, log, 'other', 'topic 0')
  const say = (emission: Parameters<typeof log.append>[0]): ReturnType<typeof log.append> => {
    const logged = log.append(emission)
    hub.emit(logged)
    hub.settle(logged.position!)
    return logged
  }
  const first = say({ type: 'note', data: { n: 0 }, topics: ['topic 0'], joins: ['me'] })
  say({ type: 'note', data: { n: 0 }, topics: ['topic 0'], leaves: 'me' })
  await eventually(() => stream.hasPassed('topic 0', 2))
  for (let n = 1; n <= LEFT_MAX + 10; n++) {
    say({ type: 'note', data: { n }, topics: [`topic ${n}`], joins: ['me'] })
    say({ type: 'note', data: { n }, topics: [`topic ${n}`], leaves: 'me' })
  }
  await eventually(() => numbers(sink).filter(n => n === LEFT_MAX + 10).length === 2)
  t.notOk(stream.hasPassed('topic 0', 1), 'forgotten')
  t.ok(stream.hasPassed(`topic ${LEFT_MAX + 10}`, 1))
  t.equal(stream.topics.size, 0)

  hub.emit(first)
  say({ type: 'note', data: { n: -1 }, topics: ['topic 0'] })
  say({ type: 'note', data: { n: -2 }, topics: ['marker'], joins: ['me'] })
  await eventually(() => numbers(sink).includes(-2))
  t.notOk(numbers(sink).includes(-1), 'what came after the leave')
})

t.test('more events than are kept come before the one they wait for, and all arrive', async t => {
  const log = new MemoryLog<Events>()
  const hub = await start(t, log)
  const { sink } = follow(hub, log, 'me', 'topic')
  const all = Array.from({ length: EARLY_MAX + 200 }, (_, n) => log.append({ type: 'note', data: { n }, topics: ['topic'] }))
  log.delayMs = 50
  // The last events are too many to be kept while the first page is being read.
  hub.emit(...all.slice(1))
  for (let n = 0; n < EARLY_MAX + 10; n++) hub.emit({ type: 'hint', data: { n: -1 }, topics: ['topic'], after: all.length })
  await eventually(() => numbers(sink).includes(all.length - 1))
  t.strictSame(numbers(sink).filter(n => n !== -1), all.map((_, n) => n))
  t.ok(numbers(sink).length <= all.length + EARLY_MAX)
})
