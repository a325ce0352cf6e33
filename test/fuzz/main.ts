// npm run fuzz -- --seed N --requests M [--only I] [--database-url URL]

import { parseArgs } from 'node:util'
import { describeReport } from './report.js'
import { runFuzz } from './run.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    requests: { type: 'string', default: '5000' },
    only: { type: 'string' },
    'database-url': { type: 'string' }
  }
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { process.exit(1) })

const report = await runFuzz({
  seed: values.seed ?? String(Math.floor(Math.random() * 2 ** 32)),
  requests: Number(values.requests),
  onProgress: text => { console.error(text) },
  ...(values.only === undefined ? {} : { only: Number(values.only) }),
  ...(values['database-url'] === undefined ? {} : { databaseUrl: values['database-url'] })
})
console.log(describeReport(report))
if (report.findings.length > 0) process.exitCode = 1
