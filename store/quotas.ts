// SQL by hand: part of the unit of work, with locks and counters that are incremented.
import type { Dialect, Sql } from './sql.js'
import { insert, perDialect, select, write, type RowOf } from './table.js'
import * as tables from './tables.js'

/** The counters of one user's quotas. */
export type Quota = Omit<RowOf<typeof tables.quotas>, 'userId'>

const counted = select(tables.quotas, 'q', ['userId', 'groupsMade', 'groupsUntil'])

const statements = perDialect(dialect => ({
  add: insert(tables.quotas, dialect, ['userId', 'conversations'],
    'ON CONFLICT (user_id) DO UPDATE SET conversations = chat_quotas.conversations + excluded.conversations'),
  setGroups: insert(tables.quotas, dialect, ['userId', 'conversations', 'groupsMade', 'groupsUntil'],
    'ON CONFLICT (user_id) DO UPDATE SET groups_made = excluded.groups_made, groups_until = excluded.groups_until')
}))

/**
 * Locks the counters, so that two nodes cannot both take the last place. A counter that has reached its limit is counted
 * again, since nodes of an older version do not count.
 */
export async function findQuotas (sql: Sql, { table, lock }: Dialect, limits: ReadonlyMap<string, number>): Promise<Map<string, Quota>> {
  const rows = await sql.query<{ conversations: number | bigint }>(
    `SELECT ${counted.columns}, CASE WHEN q.conversations < k.most THEN q.conversations
       ELSE (SELECT count(*) FROM chat_participants p WHERE p.user_id = q.user_id) END AS conversations
     FROM ${table({ user_id: 'text', most: 'int' })} k JOIN chat_quotas q ON q.user_id = k.user_id
     ORDER BY q.user_id ${lock === '' ? '' : `${lock} OF q`}`, JSON.stringify([...limits]))
  return new Map(rows.map(row => {
    const { userId, groupsMade, groupsUntil } = counted.read(row)
    return [userId, { conversations: Number(row.conversations), groupsMade, groupsUntil }]
  }))
}

/** The same order on all nodes, so that two that write the same rows cannot deadlock. */
const inOrder = <Value>(byUser: ReadonlyMap<string, Value>): Array<[string, Value]> => [...byUser].sort(([a], [b]) => a < b ? -1 : 1)

/** Adds to the numbers of conversations of users. */
export async function addConversations (sql: Sql, dialect: Dialect, changes: ReadonlyMap<string, number>): Promise<void> {
  await write(sql, statements(dialect).add, inOrder(changes).map(([userId, conversations]) => ({ userId, conversations })))
}

export async function setGroupsMade (sql: Sql, dialect: Dialect, quotas: ReadonlyMap<string, Quota>): Promise<void> {
  await write(sql, statements(dialect).setGroups, inOrder(quotas).map(([userId, quota]) => ({ ...quota, userId, conversations: 0 })))
}
