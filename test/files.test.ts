import { runSuites, suitesOf } from './one-process.js'

await runSuites({ files: suitesOf('files') })
