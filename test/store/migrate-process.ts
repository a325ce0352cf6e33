// A process that migrates the database that it is told, as often as it is told: { provider, url, schema?, times? }.

import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { PrismaPg } from '@prisma/adapter-pg'
import { migrate } from '../../store/migrate.js'

export interface Task { url: string, schema?: string, times?: number }

export type Answer = { identities: string[], applied: number } | { error: string }

async function run ({ url, schema, times = 1 }: Task): Promise<Answer> {
  try {
    const results = await Promise.all(Array.from({ length: times }, () => url.startsWith('file:')
      ? migrate('sqlite', new PrismaBetterSqlite3({ url }))
      : migrate('postgresql', new PrismaPg(url), schema === undefined ? {} : { schema })))
    return {
      identities: results.map((result) => result.identity),
      applied: results.reduce((sum, result) => sum + result.applied.length, 0)
    }
  } catch (error) {
    return { error: String(error) }
  }
}

process.on('message', (task: Task) => {
  run(task).then((answer) => process.send?.(answer), (error) => { throw error })
})
process.send?.('ready')
