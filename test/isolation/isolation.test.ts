import t, { type Test } from 'tap'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { describeReport } from './report.js'
import { runIsolation, type IsolationOptions } from './run.js'

// A short run of `npm run isolation` on each database.

async function keepsApart (t: Test, options: IsolationOptions): Promise<void> {
  const report = await runIsolation(options)
  t.comment(describeReport(report))
  t.strictSame(report.problems, [], 'nobody gets what isn\'t theirs, and everybody what is')
  t.ok(report.received > 50, `${report.received} events were judged`)
  t.ok(report.probes > 10, `${report.probes} answers about what is foreign were compared with answers about nothing`)
}

await t.test('one process on SQLite', async t => { await keepsApart(t, { seed: 'npm test', operations: 300 }) })

await t.test('two processes on PostgreSQL', { skip: await skipWithoutPostgres() }, async t => {
  await keepsApart(t, { seed: 'npm test', operations: 300, nodes: 2, databaseUrl: await requirePostgres() })
})
