import * as tables from './tables.js'

/** What is done to each table apart from reading it: insert, update, delete. */
const WRITES: Readonly<Record<keyof typeof tables, string>> = {
  meta: 'u',
  users: 'iu',
  conversations: 'iu',
  participants: 'iud',
  formerParticipants: 'i',
  messages: 'iu',
  events: 'i',
  quotas: 'iu',
  nodes: 'iud',
  streams: 'iud',
  tickets: 'iud',
  counters: 'iud'
}

export interface Column { table_name: string, column_name: string }

/**
 * Statements that write no row, and need what writing needs: the tables with all of their columns, the privileges, and a
 * session that may write. `columns` are those of the database as it was migrated.
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

/** All of them as one statement, where the database can do that. */
export const inOne = (statements: readonly string[]): string =>
  `WITH ${statements.map((statement, index) => `w${index} AS (${statement})`).join(', ')} SELECT position FROM chat_meta WHERE id = 1`
