// npm run host-transactions -- [--kills 1000] [--database-url URL]

import { parseArgs } from 'node:util'
import { onOwnStore } from '../own-store.js'
import { runKilledHosts } from './run.js'

const { values } = parseArgs({ options: { kills: { type: 'string', default: '1000' }, 'database-url': { type: 'string' } } })

await onOwnStore('hosts', values['database-url'], async store => {
  const { orders, messages, problems } = await runKilledHosts({
    ...store,
    kills: Number(values.kills),
    onProgress: text => { console.error(text) }
  })
  console.log(`${values.kills} kills: ${orders} orders, ${messages} messages`)
  return problems
})
