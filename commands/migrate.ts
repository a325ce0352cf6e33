import { readConfig } from '../config.js'
import { openDatabase } from '../store/open-database.js'
import type { Command } from './command.js'

export const migrate: Command = {
  summary: 'Bring the tables of DATABASE_URL to this version, as a start does',
  usage: '',
  options: {},
  details: 'A server migrates by itself when it starts. Use this to do it before, for example with a user that may change tables.',
  async run (_values, env) {
    const { chat: { databaseUrl } } = readConfig(env)
    const database = await openDatabase({ url: databaseUrl! })
    const { provider, identity } = database
    await database.close()
    return { lines: [`The database is up to date (${provider}, installation ${identity})`], json: { provider, identity } }
  }
}
