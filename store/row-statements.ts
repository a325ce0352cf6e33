// SQL by hand: rows of any table, all of a transaction with one statement for each table and set of fields.
import type { ChangedRows } from './changes.js'
import type { Dialect } from './sql.js'
import { bulk, columnOf, fieldsOf, insert, keyed, perDialect, remove, select, update, type Bulk, type BulkWrite, type Table } from './table.js'

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

/** What writes the changes of a transaction in the rows of one table, in this order. */
export function writesOf (
  dialect: Dialect, table: Table<unknown>, { deleted, changed, inserted }: ChangedRows
): Array<[BulkWrite<object>, Iterable<object>]> {
  const statements = rowStatements(dialect)
  const byFields = new Map<string, object[]>()
  for (const values of deleted) {
    const fields = Object.keys(values).join(' ')
    byFields.set(fields, [...byFields.get(fields) ?? [], values])
  }
  const writes: Array<[BulkWrite<object>, Iterable<object>]> =
    Array.from(byFields, ([fields, rows]) => [statements.delete(table, fields.split(' ')), rows])
  if (changed.size > 0) writes.push([statements.update(table), changed])
  if (inserted.length > 0) writes.push([statements.insert(table), inserted])
  return writes
}
