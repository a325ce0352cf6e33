import { readConfig } from '../config.js'
import { rebuildIndex } from '../plugins/chat.js'
import { openDatabase } from '../store/open-database.js'
import type { Command } from './command.js'

export const reindex: Command = {
  summary: 'Build the index of messages anew, while servers run',
  usage: '',
  options: {},
  details: 'Search goes on meanwhile, with the index as it is. If this is interrupted, the next server that starts goes on with it.',
  async run (_values, env) {
    const { chat: { databaseUrl } } = readConfig(env)
    const database = await openDatabase({ url: databaseUrl! })
    try {
      await rebuildIndex(database)
      const [row] = await database.read.query<{ count: number | bigint }>('SELECT count(*) AS count FROM chat_messages')
      const messages = Number(row?.count ?? 0)
      return { lines: [`The index is built anew (${messages} messages)`], json: { messages } }
    } finally {
      await database.close()
    }
  }
}
