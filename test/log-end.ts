import SqliteConnection from 'better-sqlite3'
import pg from 'pg'
import type { Test } from 'tap'
import { requirePostgres } from './postgres.js'

/** Makes the database look to the nodes like a promoted replica that lacks the newest transactions, in one transaction. */
const LOSE = [
  'UPDATE chat_meta SET position = position - $count',
  'DELETE FROM chat_events WHERE position > (SELECT position FROM chat_meta)',
  `DELETE FROM chat_messages WHERE seq > coalesce(
     (SELECT max(e.message_seq) FROM chat_events e WHERE e.conversation = chat_messages.conversation AND e.type = 'message'), 0)`,
  'DELETE FROM chat_participants WHERE NOT EXISTS (SELECT 1 FROM chat_events e WHERE e.conversation = chat_participants.conversation)',
  'DELETE FROM chat_conversations WHERE NOT EXISTS (SELECT 1 FROM chat_events e WHERE e.conversation = num)',
  `UPDATE chat_conversations SET
     message_seq = coalesce((SELECT max(m.seq) FROM chat_messages m WHERE m.conversation = num), 0),
     event_seq = (SELECT max(e.seq) FROM chat_events e WHERE e.conversation = num),
     position = (SELECT max(e.position) FROM chat_events e WHERE e.conversation = num)`
]

/** Runs statements in one transaction, without the nodes. */
export type Run = (...statements: string[]) => Promise<void>

export const loseLast = async (run: Run, count: number): Promise<void> => { await run(...LOSE.map(sql => sql.replace('$count', String(count)))) }

export function onSqlite (t: Test, file: string): Run {
  const connection = new SqliteConnection(file, { timeout: 5000 })
  t.teardown(() => { connection.close() })
  return async (...statements) => {
    connection.transaction(() => { for (const sql of statements) connection.prepare(sql).run() }).immediate()
  }
}

export async function onPostgres (t: Test, schema: string): Promise<Run> {
  const client = new pg.Client({ connectionString: await requirePostgres(), options: `-c search_path=${schema}` })
  await client.connect()
  t.teardown(async () => { await client.end() })
  return async (...statements) => { await client.query(['BEGIN', 'LOCK TABLE chat_conversations, chat_meta IN EXCLUSIVE MODE', ...statements, 'COMMIT'].join(';\n')) }
}
