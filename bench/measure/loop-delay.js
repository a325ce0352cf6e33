// Loaded into a server with --import: tells how late its event loop is, in a file, at each SIGUSR2.

import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
process.on('SIGUSR2', () => {
  const { BENCH_LOOP_DELAY: file } = process.env
  if (file !== undefined) writeFileSync(file, JSON.stringify({ p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 }))
  delay.reset()
})
