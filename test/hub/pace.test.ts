import { test } from 'tap'
import type { Emission } from '../../hub/emission.js'
import { Hub } from '../../hub/hub.js'
import { elapsedMs } from '../../time.js'
import { eventually } from './eventually.js'
import { MemoryLog } from './memory-log.js'
import { MemorySink } from './memory-sink.js'

/** Texts that grow, and how often many readers are written to. */

interface Events { note: { n: number }, grown: { of: string, text: string } }

/** Joins what belongs to one text, and nothing that says `alone`. */
class GrowingLog extends MemoryLog<Events> {
  joined (first: Emission<Events>, second: Emission<Events>): Emission<Events> | undefined {
    if (first.type !== 'grown' || second.type !== 'grown' || second.data.text === 'alone') return undefined
    return { ...second, data: { of: second.data.of, text: first.data.text + second.data.text } }
  }
}

const grown = (of: string, text: string, more: object = {}): Emission<Events> => ({ type: 'grown', data: { of, text }, topics: ['a'], grows: of, ...more })
const textOf = (sink: MemorySink, name: string): string =>
  sink.events.filter(({ type, data }) => type === 'grown' && data['of'] === name).map(({ data }) => String(data['text'])).join('')

for (const { readers, paced } of [{ readers: 200, paced: true }, { readers: 10, paced: false }]) {
  test(`${readers} readers of a text that grows: ${paced ? 'few writes' : 'each append at once'}, and all of it`, async (t) => {
    const hub = new Hub<Events>()
    t.teardown(async () => { await hub.close() })
    const log = new GrowingLog()
    await hub.useLog(log)
    const sinks = Array.from({ length: readers }, () => new MemorySink())
    for (const sink of sinks) hub.subscribe(sink, { topics: ['a'] })
    const [first] = sinks as [MemorySink]
    const begun = elapsedMs()
    hub.emit(grown('x', '0'))
    await eventually(() => first.events.length === 1)
    let text = '0'
    // Each in a turn of the event loop of its own
    for (let n = 1; n < 10; n++) {
      hub.emit(grown('x', String(n)), grown('y', String(n)))
      text += String(n)
      await new Promise(resolve => setImmediate(resolve))
    }
    await eventually(() => sinks.every(sink => textOf(sink, 'x') === text && textOf(sink, 'y') === text.slice(1)))
    if (paced) t.ok(first.events.length <= 3 + 2 * (elapsedMs() - begun) / 100, `${first.events.length} events`)
    else t.equal(first.events.length, 19)
  })
}

test('what waits comes before any other event of its topic', async (t) => {
  const hub = new Hub<Events>()
  t.teardown(async () => { await hub.close() })
  const log = new GrowingLog()
  await hub.useLog(log)
  const sinks = Array.from({ length: 500 }, () => new MemorySink())
  for (const sink of sinks) hub.subscribe(sink, { topics: ['a'] })
  const saidBy = (sink: MemorySink): unknown[] => sink.events.map(({ data }) => data['text'] ?? data['n'])
  const [first] = sinks as [MemorySink]
  hub.emit(grown('x', 'a'))
  await eventually(() => first.events.length === 1)
  hub.emit(grown('x', 'b'))
  await new Promise(resolve => setImmediate(resolve))
  hub.emit(grown('x', 'c'), { ...log.append({ type: 'note', data: { n: 1 }, topics: ['a'] }) })
  hub.emit(grown('x', 'd', { after: 1 }), grown('x', 'alone'), { type: 'note', data: { n: 2 }, topics: ['a'] })
  await eventually(() => sinks.every(sink => saidBy(sink).includes(2)))
  for (const sink of sinks) t.strictSame(saidBy(sink).join(' '), 'a bc 1 d alone 2')
})
