import { join } from 'node:path'
import SqliteConnection from 'better-sqlite3'
import t from 'tap'
import { openDatabase } from '../../store/open-database.js'
import { fieldsOfNewMessages } from '../../store/rows.js'
import { blank, columnOf, fieldsBut, type Table } from '../../store/table.js'
import * as tables from '../../store/tables.js'

/** What store/tables.ts says of the tables is what the migrations have made. */

const described = Object.values(tables) as Array<Table<Record<string, unknown>>>

t.test('every table is described: its key, and the tables that it refers to', async t => {
  const file = join(t.testdir(), 'chat.db')
  await (await openDatabase({ url: `file:${file}` })).close()
  const connection = new SqliteConnection(file, { readonly: true })
  t.teardown(() => { connection.close() })
  const names = connection.prepare<[], { name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'chat_%' ORDER BY name").all()
  t.strictSame(described.map(({ name }) => name).sort(), names.map(({ name }) => name))
  const defaults = connection.pragma('table_info(chat_messages)') as Array<{ name: string, dflt_value: string | null }>
  for (const [field, value] of Object.entries(blank(tables.messages, fieldsBut(tables.messages, fieldsOfNewMessages)))) {
    t.equal(defaults.find(column => column.name === columnOf(field))?.dflt_value ?? null, value === null ? null : String(value), `the default of ${field}`)
  }
  for (const { name, columns, key, references = [] } of described) {
    const found = connection.pragma(`table_info(${name})`) as Array<{ name: string, pk: number }>
    t.strictSame(Object.keys(columns).map(columnOf).sort(), found.map(column => column.name).sort(), `the columns of ${name}`)
    const primary = found.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk).map(column => column.name)
    t.strictSame(key.map(columnOf), primary, `the key of ${name}`)
    const foreign = connection.pragma(`foreign_key_list(${name})`) as Array<{ table: string }>
    t.strictSame(references.map(table => table.name).sort(), [...new Set(foreign.map(({ table }) => table))].sort(), `what ${name} refers to`)
  }
})
