import { runApiSuites } from '../one-process.js'

await runApiSuites()
