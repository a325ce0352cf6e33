// SQL by hand: only the statements count, and they write nothing.
import type { Table } from './table.js'
import * as tables from './tables.js'

export interface Column { table_name: string, column_name: string }

/**
 * Returns statements that write no row, but need whatever writing needs: the tables with all columns, the privileges, and a
 * session that may write. `columns` are those of the database after its migration.
 */
export function writeChecks (columns: readonly Column[]): string[] {
  return Object.values(tables).flatMap(({ name: table, writes }: Pick<Table<unknown>, 'name' | 'writes'>) => {
    const names = columns.filter(({ table_name: name }) => name === table).map(({ column_name: name }) => name)
    const all = names.join(', ')
    return [
      ...(writes.includes('insert') ? [`INSERT INTO ${table} (${all}) SELECT ${all} FROM ${table} WHERE false`] : []),
      ...(writes.includes('update') ? [`UPDATE ${table} SET ${names.map(name => `${name} = ${name}`).join(', ')} WHERE false`] : []),
      ...(writes.includes('delete') ? [`DELETE FROM ${table} WHERE false`] : [])
    ]
  })
}

/** Combines all of them into one statement, for a database that supports it. */
export const inOne = (statements: readonly string[]): string =>
  `WITH ${statements.map((statement, index) => `w${index} AS (${statement})`).join(', ')} SELECT position FROM chat_meta WHERE id = 1`
