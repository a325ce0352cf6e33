import t from 'tap'
import { runResumes } from './resumes.js'
import { runSlowReaders } from './slow-readers.js'

// Small versions of `npm run chaos:slow-readers` and `npm run chaos:resumes`.

/** How much the memory of a process varies without any streams, in MiB. */
const SPARE_MIB = 100

await t.test('those who have stopped reading hold up nobody, and cost no more than their budgets', async t => {
  const report = await runSlowReaders({ readers: 100, stopped: 20, perSecond: 100, bytes: 4000, seconds: 4, budget: 65_536 })
  t.strictSame(report.failures, [], 'the others miss nothing')
  t.equal(report.delivered, 80 * report.sent)
  t.ok(report.peakMiB <= report.openMiB + report.budgetsMiB + SPARE_MIB, `${report.openMiB} MiB with all streams, ${report.peakMiB} at most`)
})

await t.test('everybody resumes after a crash', async t => {
  const { failures } = await runResumes({ streams: 150, missed: 3 })
  t.strictSame(failures, [], 'nothing lost, nothing twice')
})
