import { runSuites } from '../one-process.js'

await runSuites('routes', 'chat')
