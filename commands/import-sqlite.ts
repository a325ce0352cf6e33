import { existsSync } from 'node:fs'
import { openDatabase } from '../store/open-database.js'
import { transfer } from '../store/transfer.js'
import { CommandError, required, UsageError, type Command } from './command.js'

export const importSqlite: Command = {
  summary: 'Carry a chat on SQLite over to PostgreSQL, with nothing lost',
  usage: '--from file:<path> --to postgres://<user>@<host>/<database>[?schema=<schema>]',
  options: {
    from: { type: 'string', help: 'The SQLite file, as in DATABASE_URL' },
    to: { type: 'string', help: 'The PostgreSQL database. It must hold no chat yet' }
  },
  details: 'Stop the server first. Then start it with DATABASE_URL=postgres://….',
  async run (values) {
    const [from, to] = [required(values, 'from'), required(values, 'to')]
    if (!from.startsWith('file:')) throw new UsageError('--from must be file:<path>')
    if (!/^postgres(ql)?:\/\//.test(to)) throw new UsageError('--to must be a postgres:// URL')
    const file = from.slice('file:'.length).split('?')[0]!
    if (!existsSync(file)) throw new CommandError(`There is no file ${file}`)
    const source = await openDatabase({ url: from })
    try {
      const target = await openDatabase({ url: to })
      try {
        const rows = await transfer(source, target)
        return { lines: Object.entries(rows).map(([table, count]) => `${table.padEnd(20)} ${count}`), json: { rows } }
      } finally {
        await target.close()
      }
    } finally {
      await source.close()
    }
  }
}
