import type { Dialect, Sql } from './sql.js'

/** What is counted for the limits of one user. */
export interface Quota {
  conversations: number
  /** Groups made in the current period, and when that ends; null: none has begun. */
  groupsMade: number
  groupsUntil: number | null
}

type Row = { user_id: string, conversations: number | bigint, groups_made: number, groups_until: bigint | null }

const QUOTA = { user_id: 'text', conversations: 'int', groups_made: 'int', groups_until: 'bigint' } as const

/**
 * Locks what is counted, so that two nodes don't both take the last place. Whoever has come to the limit given here is
 * counted again: a node of an older version counts nobody.
 */
export async function findQuotas (sql: Sql, { table, lock }: Dialect, limits: ReadonlyMap<string, number>): Promise<Map<string, Quota>> {
  const rows = await sql.query<Row>(
    `SELECT q.user_id, q.groups_made, q.groups_until, CASE WHEN q.conversations < k.most THEN q.conversations
       ELSE (SELECT count(*) FROM chat_participants p WHERE p.user_id = q.user_id) END AS conversations
     FROM ${table({ user_id: 'text', most: 'int' })} k JOIN chat_quotas q ON q.user_id = k.user_id
     ORDER BY q.user_id ${lock === '' ? '' : `${lock} OF q`}`, JSON.stringify([...limits]))
  return new Map(rows.map(row => [row.user_id, {
    conversations: Number(row.conversations),
    groupsMade: Number(row.groups_made),
    groupsUntil: row.groups_until === null ? null : Number(row.groups_until)
  }]))
}

/** In one order on every node, so that two that write the same rows can't wait for each other. */
const inOrder = <Value>(byUser: ReadonlyMap<string, Value>): Array<[string, Value]> => [...byUser].sort(([a], [b]) => a < b ? -1 : 1)

/** So many conversations more, or fewer. */
export async function addConversations (sql: Sql, { table }: Dialect, changes: ReadonlyMap<string, number>): Promise<void> {
  await sql.execute(
    `INSERT INTO chat_quotas (user_id, conversations) SELECT * FROM ${table({ user_id: 'text', conversations: 'int' })} k WHERE true
     ON CONFLICT (user_id) DO UPDATE SET conversations = chat_quotas.conversations + excluded.conversations`, JSON.stringify(inOrder(changes)))
}

export async function setGroupsMade (sql: Sql, { table }: Dialect, quotas: ReadonlyMap<string, Quota>): Promise<void> {
  await sql.execute(
    `INSERT INTO chat_quotas (user_id, conversations, groups_made, groups_until) SELECT * FROM ${table(QUOTA)} k WHERE true
     ON CONFLICT (user_id) DO UPDATE SET groups_made = excluded.groups_made, groups_until = excluded.groups_until`,
    JSON.stringify(inOrder(quotas).map(([userId, { groupsMade, groupsUntil }]) => [userId, 0, groupsMade, groupsUntil])))
}
