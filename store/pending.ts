// SQL by hand: a host's transaction runs it on its own connection.
import { createHash } from 'node:crypto'
import type { Database } from './database.js'
import type { Prisma } from './prisma.js'
import { select, type RowOf } from './table.js'
import * as tables from './tables.js'

/** A message that a host's transaction has enqueued. */
export type PendingRow = RowOf<typeof tables.pending>

const pending = select(tables.pending, 'w')

/** The channel on which a commit with such messages notifies PostgreSQL's clients. The trigger of `chat_pending` has the same name. */
export const channelOfPending = (schema: string): string => `chat_pending_${createHash('md5').update(schema).digest('hex')}`

/**
 * The statement that enqueues a message, for the host's own connection. Without parameters, since hosts' clients differ in how they take
 * them: texts are in hexadecimal. It fails on another database: PostgreSQL then has no such table, and on SQLite the id is null.
 */
export function enqueueStatement (
  { provider, schema, identity }: Pick<Database, 'provider' | 'schema' | 'identity'>,
  { id, caller, input, createdAt }: Pick<PendingRow, 'id' | 'caller' | 'input' | 'createdAt'>
): string {
  const hex = (text: string): string => Buffer.from(text).toString('hex')
  if (provider === 'sqlite') {
    const text = (value: string): string => `CAST(x'${hex(value)}' AS TEXT)`
    // A write transaction is the only one, so this is the order of the commits.
    const position = '(SELECT coalesce(max(w.position), 0) + 1 FROM chat_pending w WHERE w.error IS NULL)'
    return `INSERT INTO chat_pending (id, caller, input, created_at, position) VALUES (
      (SELECT ${text(id)} FROM chat_meta WHERE identity = ${text(identity)}), ${text(caller)}, ${text(input)}, ${createdAt}, ${position})`
  }
  const text = (value: string): string => `convert_from(decode('${hex(value)}', 'hex'), 'UTF8')`
  return `INSERT INTO "${schema!.replaceAll('"', '""')}".chat_pending (id, caller, input, created_at)
    VALUES (${text(id)}, ${text(caller)}, ${text(input)}, ${createdAt})`
}

/** The messages that wait, in the order of the commits. */
export async function findPending ({ read }: Pick<Database, 'read'>, limit: number): Promise<PendingRow[]> {
  const rows = await read.query(`SELECT ${pending.columns} FROM chat_pending w WHERE w.error IS NULL ORDER BY w.position LIMIT ${limit}`)
  return rows.map(row => pending.read(row))
}

/** Deletes what was refused before an instant, in epoch milliseconds. */
export async function deleteRefusedBefore (prisma: Prisma, before: number): Promise<void> {
  await prisma.pendingMessage.deleteMany({ where: { createdAt: { lt: before }, error: { not: null } } })
}
