import t from 'tap'
import { details, failure } from './report.js'
import { runChaos } from './run.js'

// A short run of `npm run chaos`: every fault happens once, under a modest load.
await t.test('nothing lost, nothing twice, nothing stuck', { timeout: 150_000 }, async t => {
  const report = await runChaos({
    seed: 'npm test',
    minutes: 0.2,
    users: 6,
    pauseMs: 150,
    rates: { killsPerMinute: 15, locksPerMinute: 10, pausesPerMinute: 5, terminationsPerMinute: 5 }
  })
  if (report.problems.length > 0) t.comment(failure(report))
  t.comment(details(report))
  t.strictSame(report.problems, [], `seed ${report.seed}`)
  t.ok(report.checked > 100, `${report.checked} events were checked`)
})
