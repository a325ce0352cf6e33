// npm run convergence -- --seed N [--operations 1500] [--nodes 1] [--kills] [--database-url URL]

import { parseArgs } from 'node:util'
import { describeReport } from './report.js'
import { runConvergence } from './run.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    operations: { type: 'string', default: '1500' },
    nodes: { type: 'string', default: '1' },
    kills: { type: 'boolean', default: false },
    'database-url': { type: 'string' }
  }
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { process.exit(1) })

const report = await runConvergence({
  seed: values.seed ?? String(Math.floor(Math.random() * 2 ** 32)),
  operations: Number(values.operations),
  nodes: Number(values.nodes),
  kills: values.kills,
  onProgress: text => { console.error(text) },
  ...(values['database-url'] === undefined ? {} : { databaseUrl: values['database-url'] })
})
console.log(describeReport(report))
if (report.problems.length > 0) process.exitCode = 1
