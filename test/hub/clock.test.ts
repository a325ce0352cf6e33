import { test, type Test } from 'tap'
import { Clock } from '../../hub/clock.js'

/** The timer of a clock does not keep the process alive, so the test has to. */
function start (t: Test): Clock {
  const clock = new Clock()
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => {
    clearInterval(alive)
    clock.stop()
  })
  return clock
}

test('alarms ring in their order, never early, and once', async (t) => {
  const clock = start(t)
  const began = performance.now()
  const rung: Array<[number, number]> = []
  // The last alarm is further away than the clock looks ahead.
  const delays = [120, 0, 60, -5, 60, 200, 1100]
  await Promise.all(delays.map(async ms => {
    await new Promise<void>(resolve => clock.after(ms, resolve))
    rung.push([ms, performance.now() - began])
  }))
  t.ok(rung.every(([ms, at]) => at >= ms))
  t.strictSame(rung.map(([ms]) => Math.max(0, ms)), [0, 0, 60, 60, 120, 200, 1100])
})

test('a cancelled alarm is silent, also when another of the same moment cancels it', async (t) => {
  const clock = start(t)
  const rung: string[] = []
  const cancelled = clock.after(0, () => { rung.push('cancelled') })
  clock.cancel(cancelled)
  clock.cancel(cancelled)
  clock.cancel(undefined)
  await new Promise<void>(resolve => {
    clock.after(0, () => {
      rung.push('first')
      clock.cancel(second)
    })
    const second = clock.after(0, () => { rung.push('second') })
    clock.after(100, resolve)
  })
  t.strictSame(rung, ['first'])
})

test('an alarm may set another', async (t) => {
  const clock = start(t)
  let count = 0
  await new Promise<void>(resolve => {
    const again = (): void => {
      if (++count === 3) resolve()
      else clock.after(0, again)
    }
    clock.after(0, again)
  })
  t.equal(count, 3)
  // The clock was idle in between, and starts again.
  await new Promise(resolve => setTimeout(resolve, 120))
  const began = performance.now()
  await new Promise<void>(resolve => clock.after(50, resolve))
  t.ok(performance.now() - began >= 50)
})
