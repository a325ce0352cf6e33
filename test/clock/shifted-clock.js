/**
 * Shifts a process's wall clock, and nothing else: `Date` is off by as many milliseconds as the file named by the variable
 * TEST_CLOCK_FILE holds (an integer, which may be negative). `performance.now()`, `process.hrtime()` and timers go on as
 * ever, as they do when an operating system's clock is set.
 *
 *     TEST_CLOCK_FILE=./clock-of-node-1 node --import=/…/test/clock/shifted-clock.js dist/server.js
 *     echo -3600000 > ./clock-of-node-1        # now that process's clock is an hour slow
 *
 * Change the file at any time: a step is seen within a millisecond. A missing or empty file means the last offset, at first 0.
 * Plain JavaScript, so that it loads in front of the built server, which has no tsx. From a test use `ShiftedClock` of
 * shifted-clock-file.ts, which writes the file and names the environment.
 */
import { readFileSync } from 'node:fs'

const file = process.env.TEST_CLOCK_FILE
const RealDate = Date
const realNow = Date.now
const { performance } = globalThis
const elapsed = performance.now.bind(performance)

let offset = 0
let readAt = -Infinity

function shifted () {
  const now = elapsed()
  if (now - readAt > 1) {
    readAt = now
    try {
      const text = readFileSync(file, 'utf8').trim()
      if (text !== '' && Number.isFinite(Number(text))) offset = Number(text)
    } catch { /* not there: as before */ }
  }
  return realNow.call(RealDate) + offset
}

if (file !== undefined) {
  RealDate.now = shifted
  const ShiftedDate = new Proxy(RealDate, {
    apply: () => new RealDate(shifted()).toString(),
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [shifted()] : args, newTarget)
  })
  RealDate.prototype.constructor = ShiftedDate
  globalThis.Date = ShiftedDate
}
