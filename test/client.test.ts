import { runSuites, suitesOf } from './one-process.js'

await runSuites({ client: suitesOf('client') })
