// npm run chaos -- --seed N --minutes M [--seeds 1,2,3] [--cut-every-ms 3000] [--users 8] [--pause-ms 120] [--nodes 1]
//   [--database-url URL] [--redis-url URL], and how often each kind of fault happens (0: never):
//   [--kills-per-minute 8] [--terminations-per-minute 1] [--pauses-per-minute 1.5] [--locks-per-minute 5] [--clock-jumps-per-minute 4]
//   PostgreSQL: [--database-aways-per-minute 1] [--read-onlys-per-minute 1] [--refusals-per-minute 1]; Redis: [--bus-aways-per-minute 1]
//   SQLite: [--files-away-per-minute 1] [--full-disks-per-minute 0]

import { parseArgs } from 'node:util'
import type { Rates } from './faults.js'
import { details, failure, tableHead, tableRow } from './report.js'
import { runChaos, type ChaosOptions } from './run.js'

const RATES = {
  'kills-per-minute': 'killsPerMinute',
  'terminations-per-minute': 'terminationsPerMinute',
  'pauses-per-minute': 'pausesPerMinute',
  'locks-per-minute': 'locksPerMinute',
  'clock-jumps-per-minute': 'clockJumpsPerMinute',
  'database-aways-per-minute': 'databaseAwaysPerMinute',
  'bus-aways-per-minute': 'busAwaysPerMinute',
  'read-onlys-per-minute': 'readOnlysPerMinute',
  'refusals-per-minute': 'refusalsPerMinute',
  'files-away-per-minute': 'filesAwayPerMinute',
  'full-disks-per-minute': 'fullDisksPerMinute'
} as const satisfies Record<string, keyof Rates>
const names = Object.keys(RATES) as Array<keyof typeof RATES>
const rateOptions = Object.fromEntries(names.map(name => [name, { type: 'string' as const }])) as Record<keyof typeof RATES, { type: 'string' }>

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    minutes: { type: 'string', default: '1' },
    ...rateOptions,
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
  options.rates = Object.fromEntries(names.filter(name => values[name] !== undefined).map(name => [RATES[name], Number(values[name])]))
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
