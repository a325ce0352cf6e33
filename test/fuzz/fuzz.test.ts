import t, { type Test } from 'tap'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { describeReport } from './report.js'
import { runFuzz, type FuzzOptions } from './run.js'

// A short run of `npm run fuzz` on each database.

async function fuzzes (t: Test, options: FuzzOptions): Promise<void> {
  const report = await runFuzz(options)
  t.comment(describeReport(report))
  t.strictSame(report.findings.map(({ kind }) => kind), [], 'no finding')
  t.ok(Number(report.statuses['200']) > 0, 'some requests are answered with success')
  t.ok(Number(report.statuses['404']) > 0, 'and some are refused')
}

await t.test('on SQLite', async t => { await fuzzes(t, { seed: 'npm test', requests: 400 }) })

await t.test('on PostgreSQL', { skip: await skipWithoutPostgres() }, async t => {
  await fuzzes(t, { seed: 'npm test', requests: 400, databaseUrl: await requirePostgres() })
})
