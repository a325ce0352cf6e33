import { halfOf, runSuites, suitesOf } from '../one-process.js'

await runSuites({ routes: halfOf(suitesOf('routes'), 1), chat: halfOf(suitesOf('chat'), 1) })
