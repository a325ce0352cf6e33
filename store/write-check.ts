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
export const writeChecks: readonly string[] = WRITES.flatMap(([table, column, writes]) => [
  ...(writes.includes('i') ? [`INSERT INTO ${table} (${column}) SELECT ${column} FROM ${table} WHERE false`] : []),
  ...(writes.includes('u') ? [`UPDATE ${table} SET ${column} = ${column} WHERE false`] : []),
  ...(writes.includes('d') ? [`DELETE FROM ${table} WHERE false`] : [])
])
/** All of them at once, where the database can do that. */
export const writeCheck = `WITH ${writeChecks.map((statement, index) => `w${index} AS (${statement})`).join(', ')} SELECT position FROM chat_meta`
