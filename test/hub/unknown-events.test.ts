import { test } from 'tap'
import type { Blank } from '../../hub/emission.js'
import { Hub } from '../../hub/hub.js'
import { eventually } from './eventually.js'
import { MemoryLog } from './memory-log.js'
import { MemorySink } from './memory-sink.js'

/** The log holds events that only a newer version knows, as during a rolling deploy. */

interface Events { note: { n: number } }

const unknown: Blank = { type: 'tomorrow', data: null, blank: true, topics: ['a'] }
const note = (n: number) => ({ type: 'note' as const, data: { n }, topics: ['a'] })
const numbers = (sink: MemorySink): unknown[] => sink.events.map(({ data }) => data['n'])

test('streams go on over events that are passed over, here and in the log', async t => {
  const log = new MemoryLog<Events>()
  const errors: Error[] = []
  const hub = new Hub<Events>({ onError: error => { errors.push(error) } })
  t.teardown(async () => { await hub.close() })
  await hub.useLog(log)

  const live = new MemorySink()
  hub.subscribe(live, { topics: ['a'] })
  log.append(unknown)
  log.append(note(2))
  log.append(unknown)
  // The hub is told only of the last one. It reads the missing ones, which are new to its followers.
  const last = log.append(note(4))
  hub.emit(last)
  hub.settle(last.position!)
  await eventually(() => numbers(live).length === 2)
  t.strictSame(numbers(live), [2, 4])
  t.match(live.text, 'id: a.1\n:\n\nid: a.2\n', 'a passed over event is an id and no data')
  t.match(live.text, 'id: a.3\n:\n\nid: a.4\n')

  for (const after of [0, 1, 2, 3]) {
    const sink = new MemorySink()
    hub.start({ id: `after ${after}`, userId: 'somebody', sink, all: false, echo: false, expiresAt: null, follows: [{ topic: 'a', head: log.newest('a'), after }] })
    await eventually(() => numbers(sink).at(-1) === 4)
    t.strictSame(numbers(sink), [2, 4].filter(n => n > after), `resumed after ${after}`)
  }

  log.append(unknown)
  await hub.sweep()
  await eventually(() => live.text.endsWith('id: a.5\n:\n\n'))
  const next = log.append(note(6))
  hub.emit(next)
  hub.settle(next.position!)
  await eventually(() => numbers(live).at(-1) === 6)
  t.equal(hub.counters.tooSlow, 0)
  t.strictSame(errors, [])
})
