// npm run chaos -- --seed N --minutes M [--seeds 1,2,3] [--kills-per-minute 8] [--cut-every-ms 3000] [--users 8]
//   [--pause-ms 120] [--nodes 1] [--database-url URL] [--redis-url URL]

import { parseArgs } from 'node:util'
import { details, failure, tableHead, tableRow } from './report.js'
import { runChaos, type ChaosOptions } from './run.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    minutes: { type: 'string', default: '1' },
    'kills-per-minute': { type: 'string' },
    'cut-every-ms': { type: 'string' },
    users: { type: 'string' },
    'pause-ms': { type: 'string' },
    nodes: { type: 'string' },
    'database-url': { type: 'string' },
    'redis-url': { type: 'string' }
  }
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { process.exit(1) })

const seeds = values.seeds?.split(',') ?? [values.seed ?? String(Math.floor(Math.random() * 2 ** 32))]
const rows: string[] = []
for (const seed of seeds) {
  const options: ChaosOptions = { seed, minutes: Number(values.minutes), onProgress: text => { console.error(text) } }
  if (values['kills-per-minute'] !== undefined) options.rates = { killsPerMinute: Number(values['kills-per-minute']) }
  if (values['cut-every-ms'] !== undefined) options.proxy = { cutEveryMs: Number(values['cut-every-ms']) }
  if (values.users !== undefined) options.users = Number(values.users)
  if (values['pause-ms'] !== undefined) options.pauseMs = Number(values['pause-ms'])
  if (values.nodes !== undefined) options.nodes = Number(values.nodes)
  if (values['database-url'] !== undefined) options.databaseUrl = values['database-url']
  if (values['redis-url'] !== undefined) options.redisUrl = values['redis-url']
  const report = await runChaos(options)
  if (report.problems.length > 0) {
    process.exitCode = 1
    console.error(failure(report))
  }
  console.log(`seed ${seed}\n${details(report)}`)
  rows.push(tableRow(report))
}
console.log(`\n${tableHead()}\n${rows.join('\n')}`)
