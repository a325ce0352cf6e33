import { test, type Test } from 'tap'
import type { Emission } from '../../hub/emission.js'
import { Hub } from '../../hub/hub.js'
import { KnownLog, type Transaction } from '../../hub/known-log.js'
import { eventually } from './eventually.js'
import { MemoryLog } from './memory-log.js'
import { MemorySink } from './memory-sink.js'

/** A log that loses its end while the hub runs, and uses the numbers again. */

interface Events { note: { n: number } }

const numbers = (sink: MemorySink): unknown[] => sink.events.filter(({ type }) => type === 'note').map(({ data }) => data['n'])

class Scene {
  readonly log = new MemoryLog<Events>()
  readonly hub = new Hub<Events>()
  readonly told: Transaction[] = []
  #n = 0

  static async begin (t: Test): Promise<Scene> {
    const scene = new Scene()
    const { hub, told } = scene
    t.teardown(async () => { await hub.close() })
    await hub.useLog(scene.log, {
      closed () {},
      expiring () {},
      diverged (streams, newest) {
        told.push(newest)
        for (const stream of streams) stream.end('diverged', 0)
      }
    })
    return scene
  }

  follow (...topics: string[]): MemorySink {
    const sink = new MemorySink()
    const follows = topics.map(topic => ({ topic, head: this.log.newest(topic) }))
    this.hub.start({ id: `${Math.random()}`, userId: 'u', sink, all: topics.length > 1, echo: false, expiresAt: null, follows })
    return sink
  }

  append (topic: string): Emission<Events> {
    return this.log.append({ type: 'note', data: { n: ++this.#n }, topics: [topic] })
  }

  /** A commit of another node, which the bus delivers. */
  receive (topic: string): Emission<Events> {
    const emission = this.append(topic)
    this.hub.received(JSON.parse(JSON.stringify(emission)), undefined)
    return emission
  }

  /** A commit of this node. */
  commit (topic: string): Emission<Events> {
    const emission = this.append(topic)
    this.hub.emit(emission)
    this.hub.settle(emission.position!, emission.tag)
    return emission
  }

  async ended (...sinks: MemorySink[]): Promise<void> {
    await eventually(() => sinks.every(sink => sink.events.at(-1)?.type === 'disconnect'))
  }
}

test('a number that is given out again ends the streams before anything new', async (t) => {
  for (const how of ['commit', 'receive'] as const) {
    const scene = await Scene.begin(t)
    const sinks = [scene.follow('a'), scene.follow('a', 'b')]
    for (let n = 0; n < 6; n++) scene[how]('a')
    await eventually(() => sinks.every(sink => numbers(sink).length === 6))
    scene.log.lose(4)
    for (let n = 0; n < 5; n++) scene[how](n === 2 ? 'b' : 'a')
    await scene.ended(...sinks)
    t.strictSame(sinks.map(numbers), [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]], how)
    t.equal(scene.hub.counters.diverged, 1, 'once')
    t.equal(scene.hub.topicCount, 0)

    const resumed = new MemorySink()
    const follows = [{ topic: 'a', head: scene.log.newest('a'), after: 2 }]
    scene.hub.start({ id: 's', userId: 'u', sink: resumed, all: false, echo: false, expiresAt: null, follows })
    scene.commit('a')
    await eventually(() => numbers(resumed).length === 5)
    t.strictSame(numbers(resumed), [7, 8, 10, 11, 12], 'who comes after it gets what the log has')
  }
})

test('a log that is shorter, and nothing new', async (t) => {
  const scene = await Scene.begin(t)
  const sink = scene.follow('a')
  for (let n = 0; n < 3; n++) scene.commit('a')
  scene.log.lose(1)
  await scene.hub.sweep()
  await scene.ended(sink)
  t.match(scene.told, [{ position: 2, tag: 'tag2' }])
})

test('a log that has gone further in silence than the one that was known', async (t) => {
  const scene = await Scene.begin(t)
  const sink = scene.follow('a')
  for (let n = 0; n < 4; n++) scene.receive('a')
  await eventually(() => numbers(sink).length === 4)
  scene.log.lose(2)
  for (let n = 0; n < 3; n++) scene.append('a')
  await scene.hub.sweep()
  await scene.ended(sink)
  t.strictSame(numbers(sink), [1, 2, 3, 4])
})

test('transactions of both logs were heard of, with no number in common', async (t) => {
  const scene = await Scene.begin(t)
  const sinks = [scene.follow('a'), scene.follow('b')]
  scene.receive('a')
  scene.receive('a')
  scene.log.lose(1)
  for (const topic of ['other', 'other']) scene.append(topic)
  scene.receive('b')
  await scene.hub.sweep()
  await scene.ended(...sinks)
  t.equal(scene.hub.counters.diverged, 1)
})

test('a mistaken message ends nothing, and nothing is lost by it, with a database that is away for a while, too', async (t) => {
  const scene = await Scene.begin(t)
  const sinks = [scene.follow('a'), scene.follow('a', 'b')]
  scene.commit('a')
  const { look } = scene.log
  let failures = 2
  scene.log.look = async positions => {
    if (failures-- > 0) throw new Error('away')
    return await look.call(scene.log, positions)
  }
  scene.hub.received({ type: 'note', data: { n: 99 }, topics: ['a'], seq: 2, position: 1, tag: 'another' }, undefined)
  for (let n = 0; n < 3; n++) scene.receive('a')
  for (let n = 0; n < 3; n++) scene.commit('a')
  await eventually(() => sinks.every(sink => numbers(sink).length >= 7))
  t.strictSame(sinks.map(numbers), [[1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7]])
  t.equal(scene.hub.counters.diverged, 0)
})

test('events of a node that gives no tags are events', async (t) => {
  const scene = await Scene.begin(t)
  const sink = scene.follow('a')
  for (let n = 0; n < 3; n++) {
    const { tag: _, ...emission } = scene.append('a')
    scene.hub.received(emission, undefined)
  }
  await eventually(() => numbers(sink).length === 3)
  await scene.hub.sweep()
  t.equal(scene.hub.counters.diverged, 0)
  scene.log.lose(1)
  await scene.hub.sweep()
  await scene.ended(sink)
})

test('on a stream of all topics an id names the newest that was shown, however little may be claimed as seen', async (t) => {
  const scene = await Scene.begin(t)
  const sink = scene.follow('a', 'b')
  const told = ['a', 'b', 'a'].map(topic => scene.append(topic))
  for (const emission of [told[2]!, told[0]!, told[1]!]) {
    scene.hub.received(emission, undefined)
    await new Promise(resolve => setImmediate(resolve))
    await new Promise(resolve => setImmediate(resolve))
  }
  await eventually(() => numbers(sink).length === 3)
  await scene.hub.sweep()
  // Once the hub has read what came in another order, all of it is seen
  await eventually(async () => {
    scene.commit('a')
    const count = numbers(sink).length + 1
    await eventually(() => numbers(sink).length === count)
    return sink.events.at(-1)!.id === `all.${count}.tag${count}`
  })
  const ids = sink.events.map(({ id }) => id)
  for (const [index, id] of ids.slice(0, 3).entries()) {
    const [, from, shown] = id!.split('.').map(Number) as [number, number, number]
    const newest = Math.max(...numbers(sink).slice(0, index + 1) as number[])
    t.ok(Math.max(from, shown || 0) >= newest, `${id} after ${newest}`)
  }
})

test('a comparison asks for all that was heard of since the last one, in bounds', async (t) => {
  const known = new KnownLog()
  known.restart({ position: 10, tag: 'ten' })
  for (let position = 11; position <= 5000; position++) known.learn({ position, tag: `t${position}` })
  const first = known.compare()
  t.ok(first.positions.length <= 1001 && first.positions.length >= 500)
  t.equal(first.positions.at(-1), 5000)
  first.again()
  t.ok(known.compare().positions.length >= 500, 'again, where no answer came')
  const { positions, isSame } = known.compare()
  t.strictSame(positions, [5000], 'then the newest only')
  const answer = (position: number, tag?: string): boolean => isSame(
    { position, tag: undefined, tags: new Map(tag === undefined ? [] : [[5000, tag]]) }
  )
  t.ok(answer(5000, 't5000'))
  t.ok(answer(5000), 'what is not kept any more can\'t be compared')
  t.ok(answer(6000, 't5000'))
  t.notOk(answer(6000, 'another'))
  t.notOk(answer(4999))
})
