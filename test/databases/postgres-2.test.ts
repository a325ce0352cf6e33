import { halfOf } from '../one-process.js'
import { runOnPostgres } from './postgres.js'

await runOnPostgres(suites => halfOf(suites, 2))
