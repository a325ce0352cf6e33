// npm run webhooks -- [--seconds 120] [--nodes 3] [--pause 4000] [--database-url URL]

import { parseArgs } from 'node:util'
import { onOwnStore } from '../own-store.js'
import { runKilledNodes } from './run.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    nodes: { type: 'string', default: '3' },
    pause: { type: 'string', default: '4000' },
    'database-url': { type: 'string' }
  }
})
const { 'database-url': url } = values

await onOwnStore('webhooks', url, async store => {
  const { problems, ...counts } = await runKilledNodes({
    ...store,
    nodes: url === undefined ? 1 : Number(values.nodes),
    kills: 1,
    seconds: Number(values.seconds),
    pauseMs: Number(values.pause),
    onProgress: text => { console.error(text) }
  })
  console.log(JSON.stringify(counts))
  return problems
})
