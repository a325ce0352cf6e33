// SQL by hand: only the statements count, and they write nothing.
import * as tables from './tables.js'

/** How each table is written: insert, update, delete. */
const WRITES: Readonly<Record<keyof typeof tables, string>> = {
  meta: 'u',
  users: 'iu',
  conversations: 'iu',
  participants: 'iud',
  formerParticipants: 'i',
  messages: 'iu',
  reactions: 'id',
  mentions: 'id',
  events: 'i',
  quotas: 'iu',
  nodes: 'iud',
  streams: 'iud',
  tickets: 'iud',
  counters: 'iud'
}

export interface Column { table_name: string, column_name: string }

/**
 * Returns statements that write no row, but need whatever writing needs: the tables with all columns, the privileges, and a
 * session that may write. `columns` are those of the database after its migration.
 */
export function writeChecks (columns: readonly Column[]): string[] {
  return Object.entries(tables).flatMap(([key, { name: table }]) => {
    const writes = WRITES[key as keyof typeof tables]
    const names = columns.filter(({ table_name: name }) => name === table).map(({ column_name: name }) => name)
    const all = names.join(', ')
    return [
      ...(writes.includes('i') ? [`INSERT INTO ${table} (${all}) SELECT ${all} FROM ${table} WHERE false`] : []),
      ...(writes.includes('u') ? [`UPDATE ${table} SET ${names.map(name => `${name} = ${name}`).join(', ')} WHERE false`] : []),
      ...(writes.includes('d') ? [`DELETE FROM ${table} WHERE false`] : [])
    ]
  })
}

/** Combines all of them into one statement, for a database that supports it. */
export const inOne = (statements: readonly string[]): string =>
  `WITH ${statements.map((statement, index) => `w${index} AS (${statement})`).join(', ')} SELECT position FROM chat_meta WHERE id = 1`
