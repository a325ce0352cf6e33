// npm run isolation -- --seed N [--operations 3000] [--users 7] [--nodes 1] [--database-url URL]

import { parseArgs } from 'node:util'
import { describeReport } from './report.js'
import { runIsolation } from './run.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    operations: { type: 'string', default: '3000' },
    users: { type: 'string', default: '7' },
    nodes: { type: 'string', default: '1' },
    'database-url': { type: 'string' }
  }
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { process.exit(1) })

const report = await runIsolation({
  seed: values.seed ?? String(Math.floor(Math.random() * 2 ** 32)),
  operations: Number(values.operations),
  users: Number(values.users),
  nodes: Number(values.nodes),
  onProgress: text => { console.error(text) },
  ...(values['database-url'] === undefined ? {} : { databaseUrl: values['database-url'] })
})
console.log(describeReport(report))
if (report.problems.length > 0) process.exitCode = 1
