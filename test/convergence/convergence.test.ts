import t, { type Test } from 'tap'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { describeReport } from './report.js'
import { runConvergence, type ConvergenceOptions } from './run.js'

// A short run of `npm run convergence` on each database.

t.setTimeout(240_000)

async function converges (t: Test, options: ConvergenceOptions): Promise<void> {
  const report = await runConvergence(options)
  t.comment(describeReport(report))
  t.strictSame(report.problems, [], 'events over a stale snapshot lead to what is fetched anew')
  t.ok(report.folds > 10, `${report.folds} snapshots were compared`)
  t.ok(report.kills > 0)
}

await t.test('one process on SQLite', async t => { await converges(t, { seed: 'npm test', operations: 140, kills: true }) })

await t.test('two processes on PostgreSQL', { skip: await skipWithoutPostgres() }, async t => {
  await converges(t, { seed: 'npm test', operations: 140, kills: true, nodes: 2, databaseUrl: await requirePostgres() })
})
