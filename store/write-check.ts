import type { Dialect, Sql } from './sql.js'

/** What is done to each table beside reading it: insert, update, delete. */
const WRITES: ReadonlyArray<[table: string, column: string, writes: string]> = [
  ['chat_users', 'id', 'iu'],
  ['chat_conversations', 'id', 'iu'],
  ['chat_participants', 'user_id', 'iud'],
  ['chat_messages', 'id', 'iu'],
  ['chat_events', 'seq', 'i'],
  ['chat_nodes', 'id', 'iud'],
  ['chat_streams', 'id', 'iud'],
  ['chat_tickets', 'id', 'id'],
  ['chat_counters', 'id', 'iud'],
  ['chat_meta', 'position', 'u']
]

/** Statements that write no row, and need what writing needs: the tables, the rights, a session that may write. */
const statements = WRITES.flatMap(([table, column, writes]) => [
  ...(writes.includes('i') ? [`INSERT INTO ${table} (${column}) SELECT ${column} FROM ${table} WHERE false`] : []),
  ...(writes.includes('u') ? [`UPDATE ${table} SET ${column} = ${column} WHERE false`] : []),
  ...(writes.includes('d') ? [`DELETE FROM ${table} WHERE false`] : [])
])
const together = `WITH ${statements.map((statement, index) => `w${index} AS (${statement})`).join(', ')} SELECT position FROM chat_meta`

/** Rejects when a write would be refused. Call it in a transaction. */
export async function checkWrites (sql: Sql, { writesInWith }: Dialect): Promise<void> {
  if (writesInWith) await sql.query(together)
  else for (const statement of statements) await sql.execute(statement)
}
