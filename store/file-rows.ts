// SQL by hand: who may see a file depends on three tables, and giving one up on what is left in them.
import type { Database } from './database.js'
import { metaRow } from './meta.js'
import type { Dialect, Sql } from './sql.js'
import { keyed, select, type RowOf } from './table.js'
import * as tables from './tables.js'

export type FileRow = RowOf<typeof tables.files>

const file = select(tables.files, 'f')
const meta = select(tables.meta, 'm', ['fileKey'])
const place = select(tables.files, 'f', ['id', 'storageKey'])

const listed = (ids: Iterable<string>): string => JSON.stringify(Array.from(ids, id => [id]))
const idIn = (dialect: Dialect): string => `id IN (SELECT k.id FROM ${keyed(tables.files, dialect, ['id'])} k)`

/** The files that a user may see: their own that are free, and those of messages in conversations that they take part in. */
export async function findVisibleFiles ({ read, dialect }: Database, ids: readonly string[], userId: string, ticks: number): Promise<FileRow[]> {
  const rows = await read.query(
    `SELECT ${file.columns} FROM ${keyed(tables.files, dialect, ['id'])} k JOIN chat_files f ON f.id = k.id
     WHERE (f.state = 'free' AND f.owner_id = ? AND f.expires_at > ?) OR (f.state = 'attached' AND EXISTS (
       SELECT 1 FROM chat_attachments a JOIN chat_participants p ON p.conversation = a.conversation AND p.user_id = ? WHERE a.file_id = f.id))`,
    listed(new Set(ids)), userId, ticks, userId)
  return rows.map(file.read)
}

/** A file that is still kept. Who may see it was decided before. */
export async function findKeptFile ({ read }: Database, id: string, ticks: number): Promise<FileRow | undefined> {
  const [row] = await read.query(
    `SELECT ${file.columns} FROM chat_files f WHERE f.id = ? AND (f.state = 'attached' OR (f.state = 'free' AND f.expires_at > ?))`, id, ticks)
  return row === undefined ? undefined : file.read(row)
}

/** How many free files a user has, and when the oldest expires. */
export async function countFreeFiles ({ read }: Database, userId: string, ticks: number): Promise<{ count: number, firstExpiry: number | null }> {
  const [row] = await read.query<{ count: number | bigint, first: number | bigint | null }>(
    `SELECT count(*) AS count, min(f.expires_at) AS first FROM chat_files f
     WHERE f.owner_id = ? AND f.state = 'free' AND f.expires_at > ?`, userId, ticks)
  return { count: Number(row?.count ?? 0), firstExpiry: row?.first == null ? null : Number(row.first) }
}

/** Gives up those of these files that no message has. Locked first: who deletes the other message of a file sees that this one is gone. */
export async function releaseFiles (sql: Sql, dialect: Dialect, ids: ReadonlySet<string>): Promise<void> {
  if (dialect.lock !== '') await sql.query(`SELECT id FROM chat_files WHERE ${idIn(dialect)} ORDER BY id ${dialect.lock}`, listed(ids))
  await sql.execute(
    `UPDATE chat_files SET state = 'gone', expires_at = NULL WHERE ${idIn(dialect)}
     AND NOT EXISTS (SELECT 1 FROM chat_attachments a WHERE a.file_id = chat_files.id)`, listed(ids))
}

/** Gives up the files that only messages of these conversations have. `which` is the condition that one of the numbers meets. */
export async function releaseFilesOf (sql: Sql, nums: string, which: string): Promise<void> {
  await sql.execute(
    `UPDATE chat_files SET state = 'gone', expires_at = NULL
     WHERE id IN (SELECT a.file_id FROM chat_attachments a WHERE a.conversation ${which})
     AND NOT EXISTS (SELECT 1 FROM chat_attachments a WHERE a.file_id = chat_files.id AND NOT (a.conversation ${which}))`, nums, nums)
}

/** Gives up free files that have expired. */
export async function expireFiles (sql: Sql, ticks: number): Promise<void> {
  await sql.execute('UPDATE chat_files SET state = \'gone\', expires_at = NULL WHERE state = \'free\' AND expires_at <= ?', ticks)
}

export async function hasExpiredFiles ({ read }: Database, ticks: number): Promise<boolean> {
  return (await read.query('SELECT 1 FROM chat_files WHERE state = \'free\' AND expires_at <= ? LIMIT 1', ticks)).length > 0
}

/** Files whose bytes have to be deleted, by id from behind this one. */
export async function findGoneFiles ({ read }: Database, behind: string, limit: number): Promise<Array<Pick<FileRow, 'id' | 'storageKey'>>> {
  const rows = await read.query(`SELECT ${place.columns} FROM chat_files f WHERE f.state = 'gone' AND f.id > ? ORDER BY f.id LIMIT ?`, behind, limit)
  return rows.map(place.read)
}

export async function deleteGoneFiles (sql: Sql, dialect: Dialect, ids: readonly string[]): Promise<void> {
  await sql.execute(`DELETE FROM chat_files WHERE state = 'gone' AND ${idIn(dialect)}`, listed(ids))
}

/** Which of these keys of the storage belong to files. */
export async function findStorageKeys ({ read, dialect }: Database, keys: readonly string[]): Promise<Set<string>> {
  const rows = await read.query(
    `SELECT ${place.columns} FROM ${keyed(tables.files, dialect, ['storageKey'])} k JOIN chat_files f ON f.storage_key = k.storage_key`, listed(keys))
  return new Set(rows.map(row => place.read(row).storageKey))
}

/** The key that signs the URLs of files, in base64url. */
export async function findFileKey ({ read }: Database): Promise<string | null> {
  const [row] = await read.query(`SELECT ${meta.columns} FROM chat_meta m WHERE m.id = 1`)
  return meta.read(metaRow(row)).fileKey
}

/** Sets the key, unless there is one. */
export async function setFileKey (sql: Sql, key: string): Promise<void> {
  await sql.execute('UPDATE chat_meta SET file_key = ? WHERE id = 1 AND file_key IS NULL', key)
}
