import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Clock, type Alarm } from '../../hub/clock.js'
import { Heartbeats } from '../../hub/heartbeats.js'
import { eventually } from './eventually.js'

const INTERVAL_MS = 300
/** The longest duration of a sixth of the round: there are six groups, and the clock counts in twentieths. */
const SLOT_MS = 100

class Beating {
  readonly from = performance.now()
  readonly beats: number[] = []

  beat (): void {
    this.beats.push(performance.now())
  }
}

/** Counts alarms, and reports when one has rung that did not set another. */
class WatchedClock extends Clock {
  rested = false
  rung = 0

  override after (ms: number, ring: () => void): Alarm {
    this.rested = false
    return super.after(ms, () => {
      this.rested = true
      this.rung++
      ring()
    })
  }
}

await t.test('everybody beats within the interval, and then once in each', async t => {
  const clock = new Clock()
  t.teardown(() => { clock.stop() })
  const heartbeats = new Heartbeats(clock, INTERVAL_MS)
  const streams: Beating[] = []
  // At other moments of the round.
  for (let index = 0; index < 5; index++) {
    const stream = new Beating()
    heartbeats.add(stream)
    streams.push(stream)
    await sleep(70)
  }
  await eventually(() => streams.every(({ beats }) => beats.length >= 4))
  for (const { from, beats } of streams) {
    t.ok(beats[3]! - from >= 4 * INTERVAL_MS - 2 * SLOT_MS, `four beats in ${beats[3]! - from} ms`)
    t.ok(beats[3]! - beats[0]! >= 3 * INTERVAL_MS - SLOT_MS, `from the first to the fourth: ${beats[3]! - beats[0]!} ms`)
  }
})

await t.test('who is deleted is silent; when nobody is left it rests, and begins again', async t => {
  const clock = new WatchedClock()
  t.teardown(() => { clock.stop() })
  const heartbeats = new Heartbeats(clock, 100)
  const [gone, there, late] = [new Beating(), new Beating(), new Beating()]
  const beating = heartbeats.add(gone)
  const still = heartbeats.add(there)
  beating.delete(gone)
  await eventually(() => there.beats.length > 0)
  t.equal(gone.beats.length, 0)
  still.delete(there)
  const beats = there.beats.length
  await eventually(() => clock.rested)
  heartbeats.add(late)
  await eventually(() => late.beats.length >= 2)
  t.equal(there.beats.length, beats)
})

await t.test('after a pause of the process whose turn has passed is not kept waiting for another round', async t => {
  const now = performance.now
  t.teardown(() => { performance.now = now })
  const clock = new WatchedClock()
  t.teardown(() => { clock.stop() })
  const heartbeats = new Heartbeats(clock, 2000)
  const stream = new Beating()
  heartbeats.add(stream)
  await eventually(() => stream.beats.length === 1)
  const rung = clock.rung
  // As if the process had been stopped right after the beat.
  performance.now = () => now.call(performance) + 4000
  await eventually(() => stream.beats.length === 2)
  t.equal(clock.rung, rung + 1, 'by the first alarm after it')
})
