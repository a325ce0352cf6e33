// npm run search -- [--seed N] [--messages 5000] [--queries 40000] [--database-url URL]

import { parseArgs } from 'node:util'
import { onOwnStore } from '../own-store.js'
import { runModel } from './run.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    messages: { type: 'string', default: '5000' },
    queries: { type: 'string', default: '40000' },
    'database-url': { type: 'string' }
  }
})
const { seed = String(Math.floor(Math.random() * 2 ** 32)) } = values

await onOwnStore('search', values['database-url'], async store => {
  const { hits, microseconds, problems } = await runModel({
    ...store,
    messages: Number(values.messages),
    queries: Number(values.queries),
    seed,
    onProgress: text => { console.error(text) }
  })
  console.log(`seed ${seed}: ${values.queries} queries of ${values.messages} messages, ${hits} hits, ${microseconds} µs of CPU a query`)
  return problems
})
