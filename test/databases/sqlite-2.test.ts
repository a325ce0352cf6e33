import { halfOf, runSuites, suitesOf } from '../one-process.js'

await runSuites({ routes: halfOf(suitesOf('routes'), 2), chat: halfOf(suitesOf('chat'), 2) })
