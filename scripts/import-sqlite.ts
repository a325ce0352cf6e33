// `npm run import-sqlite -- --from file:./data/chat.db --to postgres://…`: carries a chat on SQLite over to PostgreSQL,
// with nothing lost. Stop the server first; then start it with DATABASE_URL=postgres://….

import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { DatabaseError } from '../store/database.js'
import { openDatabase } from '../store/open-database.js'
import { transfer, TransferError } from '../store/transfer.js'

const { values: { from, to } } = parseArgs({ options: { from: { type: 'string' }, to: { type: 'string' } } })
if (from?.startsWith('file:') !== true || to === undefined || !/^postgres(ql)?:\/\//.test(to)) {
  console.error('Usage: npm run import-sqlite -- --from file:<path> --to postgres://<user>@<host>/<database>[?schema=<schema>]')
  process.exit(1)
}

try {
  if (!existsSync(from.slice('file:'.length).split('?')[0]!)) throw new TransferError(`There is no file ${from.slice('file:'.length)}`)
  const source = await openDatabase({ url: from })
  const target = await openDatabase({ url: to })
  try {
    for (const [table, count] of Object.entries(await transfer(source, target))) console.log(`${table.padEnd(20)} ${count}`)
  } finally {
    await source.close()
    await target.close()
  }
} catch (error) {
  if (!(error instanceof TransferError || error instanceof DatabaseError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
