// SQL by hand: rows of any table, all of a transaction with one statement for each table and set of fields.
import type { ChangedRows } from './changes.js'
import type { Dialect, Sql } from './sql.js'
import { bulk, columnOf, fieldsOf, insert, keyed, perDialect, remove, select, update, write, type Bulk, type BulkWrite, type Table } from './table.js'

interface RowStatements {
  /** The rows that have certain values in these fields. */
  select(table: Table<unknown>, fields: string[]): Bulk<object> & { read(row: unknown): object }
  insert(table: Table<unknown>): BulkWrite<object>
  /** Sets all fields but the primary key. */
  update(table: Table<unknown>): BulkWrite<object>
  delete(table: Table<unknown>, fields: string[]): BulkWrite<object>
}

export const rowStatements = perDialect((dialect): RowStatements => ({
  select: onceFor((table, fields) => selectRows(table, dialect, fields)),
  insert: onceFor(table => insert(table, dialect, fieldsOf(table), 'ON CONFLICT DO NOTHING')),
  update: onceFor(table => update(table, dialect, table.key as never[], fieldsOf(table).filter(field => !table.key.includes(field)))),
  delete: onceFor((table, fields) => remove(table, dialect, fields as never[]))
}))

function selectRows (table: Table<unknown>, dialect: Dialect, fields: string[]): ReturnType<RowStatements['select']> {
  const { columns, read } = select(table, 't')
  const same = fields.map(field => `t.${columnOf(field)} = k.${columnOf(field)}`)
  return {
    read,
    ...bulk(fields, `SELECT ${columns} FROM ${keyed(table, dialect, fields as never[])} k JOIN ${table.name} t ON ${same.join(' AND ')}`)
  }
}

function onceFor<Made> (make: (table: Table<unknown>, fields: string[]) => Made): (table: Table<unknown>, fields?: string[]) => Made {
  const made = new Map<string, Made>()
  return (table, fields = []) => {
    const name = [table.name, ...fields].join(' ')
    let one = made.get(name)
    if (one === undefined) made.set(name, one = make(table, fields))
    return one
  }
}

/** Writes what a transaction changes in the rows of one table. */
export async function writeRows (sql: Sql, dialect: Dialect, table: Table<unknown>, { deleted, changed, inserted }: ChangedRows): Promise<void> {
  const statements = rowStatements(dialect)
  const byFields = new Map<string, object[]>()
  for (const values of deleted) {
    const fields = Object.keys(values).join(' ')
    byFields.set(fields, [...byFields.get(fields) ?? [], values])
  }
  for (const [fields, rows] of byFields) await write(sql, statements.delete(table, fields.split(' ')), rows as never[])
  if (changed.size > 0) await write(sql, statements.update(table), changed as Set<never>)
  if (inserted.length > 0) await write(sql, statements.insert(table), inserted as never[])
}
