// SQL by hand where several rows change in one transaction.
import { endOf, type LogPlace } from './reads/entries.js'
import { addFollowers, findNewestPosition } from './followers.js'
import type { Prisma } from './prisma.js'
import type { PrismaReader } from './reader.js'
import type { Dialect, Sql } from './sql.js'
import { fieldsOf, insert, perDialect, select, write, type RowOf } from './table.js'
import * as tables from './tables.js'

export type WebhookRow = RowOf<typeof tables.webhooks>
export type DeadRow = RowOf<typeof tables.deadDeliveries>

const webhook = select(tables.webhooks, 'w')
const dead = select(tables.deadDeliveries, 'd')

const statements = perDialect(dialect => ({
  insert: insert(tables.webhooks, dialect, fieldsOf(tables.webhooks)),
  insertDead: insert(tables.deadDeliveries, dialect, fieldsOf(tables.deadDeliveries), 'ON CONFLICT DO NOTHING')
}))

/** The name of the follower that is a lane of a webhook. */
export const laneName = (id: string, lane: number): string => `webhook:${id}:${lane}`

/** All webhooks, with their secrets. */
export async function findWebhooks (sql: Sql): Promise<WebhookRow[]> {
  const rows = await sql.query(`SELECT ${webhook.columns} FROM chat_webhooks w ORDER BY w.created_at, w.id`)
  return rows.map(row => webhook.read(row))
}

export async function findWebhook (sql: Sql, id: string): Promise<WebhookRow | undefined> {
  const [row] = await sql.query(`SELECT ${webhook.columns} FROM chat_webhooks w WHERE w.id = ?`, id)
  return row === undefined ? undefined : webhook.read(row)
}

/** Adds a webhook and its lanes, which begin with what comes next, or with the oldest event that is kept. */
export async function addWebhook (sql: Sql, dialect: Dialect, row: WebhookRow, from: 'now' | 'start'): Promise<void> {
  const position = from === 'start' ? 0 : await findNewestPosition(sql)
  await write(sql, statements(dialect).insert, [row])
  await addFollowers(sql, dialect, Array.from({ length: row.lanes }, (_, lane) => ({ name: laneName(row.id, lane), position })))
}

/** @returns false if there is no such webhook */
export async function changeWebhook (prisma: Prisma, id: string, change: Partial<Omit<WebhookRow, 'id'>>): Promise<boolean> {
  const { count } = await prisma.webhook.updateMany({ where: { id }, data: change })
  return count > 0
}

/** Deletes a webhook with its lanes and with what is kept of its deliveries. @returns false if there is none */
export async function deleteWebhook (sql: Sql, id: string): Promise<boolean> {
  const deleted = await sql.execute('DELETE FROM chat_webhooks WHERE id = ?', id)
  if (deleted === 0) return false
  await sql.execute('DELETE FROM chat_dead_deliveries WHERE webhook_id = ?', id)
  await sql.execute('DELETE FROM chat_followers WHERE name LIKE ?', `webhook:${id}:%`)
  return true
}

/** Keeps an event that was not taken, if its webhook still exists. */
export async function addDead (sql: Sql, dialect: Dialect, row: DeadRow): Promise<void> {
  if (await findWebhook(sql, row.webhookId) !== undefined) await write(sql, statements(dialect).insertDead, [row])
}

/** A page of the events that a webhook did not take, in the order of the log. One more than `limit` is read. */
export async function findDead (sql: Sql, webhookId: string, after: LogPlace = endOf(-1), limit: number): Promise<DeadRow[]> {
  const { position, conversation, seq } = after
  const rows = await sql.query(`SELECT ${dead.columns} FROM chat_dead_deliveries d
    WHERE d.webhook_id = ? AND (d.position > ? OR (d.position = ? AND (d.conversation > ? OR (d.conversation = ? AND d.event_seq > ?))))
    ORDER BY d.position, d.conversation, d.event_seq LIMIT ?`, webhookId, position, position, conversation, conversation, seq, limit + 1)
  return rows.map(row => dead.read(row))
}

/** The event by this number in its conversation, if the webhook did not take it. */
export async function findDeadEvent (
  prisma: PrismaReader, webhookId: string, { num, seq }: { num: number, seq: number }
): Promise<DeadRow | undefined> {
  const row = await prisma.deadDelivery.findFirst({ where: { webhookId, conversation: num, eventSeq: seq } })
  return row === null ? undefined : { ...row, position: Number(row.position), createdAt: Number(row.createdAt), at: Number(row.at) }
}

export async function deleteDead (prisma: Prisma, { webhookId, position, conversation, eventSeq }: DeadRow): Promise<void> {
  await prisma.deadDelivery.deleteMany({ where: { webhookId, position, conversation, eventSeq } })
}

/** Deletes what was given up before an instant, in epoch milliseconds. */
export async function deleteDeadBefore (prisma: Prisma, before: number): Promise<void> {
  await prisma.deadDelivery.deleteMany({ where: { at: { lt: before } } })
}
