// SQL by hand: one statement per kind of change, whatever the number of commands.
import type { Changes } from './changes.js'
import type { Database } from './database.js'
import { appendEvents, nextPosition } from './event-log.js'
import { insertFormer } from './marks.js'
import { addConversations, setGroupsMade } from './quotas.js'
import type { Dialect, Sql } from './sql.js'
import { depthOf, fieldsOf, insert, keyed, perDialect, remove, update, type Bulk, type Table, type Written } from './table.js'
import * as tables from './tables.js'

/** Another transaction wrote the same new row at the same moment. The commands have to be loaded and decided again. */
export class Conflict extends Error {
  override name = 'Conflict'
}

const statements = perDialect(dialect => ({
  insertUsers: insert(tables.users, dialect, ['id', 'displayName', 'avatar', 'passwordHash', 'profileAt', 'createdAt', 'isOnline', 'isHidden',
    'onlineUntil', 'lastSeen', 'metadata'], 'ON CONFLICT (id) DO NOTHING'),
  updateUsers: update(tables.users, dialect, ['id'], ['displayName', 'avatar', 'profileAt', 'isOnline', 'isHidden', 'onlineUntil', 'lastSeen',
    'metadata']),
  insertConversations: insert(tables.conversations, dialect, ['id', 'type', 'title', 'createdBy', 'createdAt', 'updatedAt'],
    'ON CONFLICT (id) DO NOTHING RETURNING id, num'),
  updateConversations: update(tables.conversations, dialect, ['num'], ['title', 'avatar', 'description', 'metadata', 'settings']),
  insertParticipants: insert(tables.participants, dialect, ['conversation', 'userId', 'role', 'joinedAt', 'joinedSeq', 'deliveredSeq', 'readSeq',
    'typingUntil']),
  updateParticipants: update(tables.participants, dialect, ['conversation', 'userId'], ['role', 'deliveredSeq', 'readSeq', 'typingUntil']),
  deleteParticipants: remove(tables.participants, dialect, ['conversation', 'userId']),
  insertMessages: insert(tables.messages, dialect, ['id', 'conversation', 'seq', 'senderId', 'senderSeq', 'clientId', 'text', 'type', 'createdAt',
    'metadata', 'replyTo', 'mentions', 'mentionsAll', 'contentHash']),
  updateMessages: update(tables.messages, dialect, ['id'], ['text', 'editedAt', 'deletedAt', 'firstTextHash', 'metadata', 'replyCount', 'mentions',
    'mentionsAll', 'reactions', 'deletedBy']),
  insertStreams: insert(tables.streams, dialect, ['id', 'nodeId', 'userId', 'conversationId', 'expiresAt']),
  updateStreams: update(tables.streams, dialect, ['id'], ['expiresAt']),
  deleteStreams: remove(tables.streams, dialect, ['id']),
  findContacts: `SELECT p.user_id, c.id FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation
    WHERE c.participant_count <= ? AND p.user_id IN (SELECT k.id FROM ${keyed(tables.users, dialect, ['id'])} k)`
}))

/** New rows are written in the same order on all nodes, so that two that write the same rows cannot deadlock. */
const byId = (a: { id: string }, b: { id: string }): number => a.id < b.id ? -1 : 1

/**
 * Writes all changes, each kind with one statement.
 * @throws {Conflict} when another transaction created the same user or conversation
 */
export async function flush ({ dialect }: Database, sql: Sql, changes: Changes, now: number): Promise<void> {
  const statement = statements(dialect)
  if (changes.newUsers.size > 0) {
    const rows = [...changes.newUsers].sort(byId)
    if (await write(sql, statement.insertUsers, rows) !== rows.length) throw new Conflict('user')
  }
  if (changes.changedUsers.size > 0) await write(sql, statement.updateUsers, changes.changedUsers)
  if (changes.newConversations.size > 0) {
    const rows = [...changes.newConversations].sort(byId)
    const { sql: text, parameter } = statement.insertConversations
    const nums = new Map((await sql.query<{ id: string, num: number }>(text, parameter(rows))).map(({ id, num }) => [id, Number(num)]))
    if (nums.size !== rows.length) throw new Conflict('conversation')
    for (const row of rows) row.num = nums.get(row.id) ?? 0
  }
  if (changes.changedConversations.size > 0) await write(sql, statement.updateConversations, changes.changedConversations)
  if (changes.moreConversations.size > 0) await addConversations(sql, dialect, changes.moreConversations)
  if (changes.groupsMade.size > 0) await setGroupsMade(sql, dialect, changes.groupsMade)
  if (changes.removedParticipants.size > 0) await write(sql, statement.deleteParticipants, changes.removedParticipants)
  if (changes.leavers.length > 0) await insertFormer(sql, dialect, changes.leavers)
  if (changes.newParticipants.size > 0) await write(sql, statement.insertParticipants, changes.newParticipants)
  if (changes.changedParticipants.size > 0) await write(sql, statement.updateParticipants, changes.changedParticipants)
  if (changes.newMessages.length > 0) await write(sql, statement.insertMessages, changes.newMessages)
  if (changes.changedMessages.size > 0) await write(sql, statement.updateMessages, changes.changedMessages)
  for (const [table, { deleted, inserted }] of changes.rows) await writeRows(sql, rowStatements(dialect), table, deleted, inserted)
  if (changes.closedStreams.size > 0) await write(sql, statement.deleteStreams, Array.from(changes.closedStreams, id => ({ id })))
  if (changes.newStreams.size > 0) await write(sql, statement.insertStreams, changes.newStreams)
  if (changes.changedStreams.size > 0) await write(sql, statement.updateStreams, changes.changedStreams)
  if (changes.deletedConversations.size > 0) await deleteConversations(sql, dialect, changes, now)
  if (changes.toContacts.length > 0) await findContacts(sql, statement.findContacts, changes)
  if (changes.events.length > 0) {
    const touched = Array.from(changes.touched, conversation => ({ conversation, active: changes.active.has(conversation) }))
    const { position, tag } = changes.logged = await appendEvents(sql, dialect, changes.events.map(({ row }) => row), touched)
    for (const { emission } of changes.events) {
      emission.position = position
      emission.tag = tag
    }
  }
}

/** Tables whose rows belong to a conversation, those that others refer to last. */
const ofConversations = (Object.values(tables) as Array<Table<unknown>>)
  .filter(({ columns }) => 'conversation' in (columns as object)).sort((a, b) => depthOf(b) - depthOf(a))

async function deleteConversations (sql: Sql, dialect: Dialect, { deletedConversations, changedStates }: Changes, now: number): Promise<void> {
  const conversations = [...deletedConversations]
  const nums = JSON.stringify(conversations.map(({ num }) => [num]))
  const which = `IN (SELECT k.num FROM ${keyed(tables.conversations, dialect, ['num'])} k)`
  for (const { name } of ofConversations) await sql.execute(`DELETE FROM ${name} WHERE conversation ${which}`, nums)
  await sql.execute(`DELETE FROM ${tables.conversations.name} WHERE num ${which}`, nums)
  await sql.execute(`UPDATE ${tables.users.name} SET state_version = state_version + 1
    WHERE id IN (SELECT k.id FROM ${keyed(tables.users, dialect, ['id'])} k)`, JSON.stringify(Array.from(changedStates, id => [id])))
  for (const { id } of conversations) {
    const position = await nextPosition(sql)
    await sql.execute(`INSERT INTO ${tables.deletions.name} (position, conversation_id, deleted_at) VALUES (?, ?, ?)`, position, id, now)
  }
}

/** Makes the statements for rows that the map does not hold once for each table, and each set of fields. */
const rowStatements = perDialect(dialect => ({
  insert: onceFor(table => insert(table, dialect, fieldsOf(table), 'ON CONFLICT DO NOTHING')),
  delete: onceFor((table, fields) => remove(table, dialect, fields as never[]))
}))

function onceFor (make: (table: Table<unknown>, fields: string[]) => Bulk<object>): (table: Table<unknown>, fields?: string[]) => Bulk<object> {
  const made = new Map<string, Bulk<object>>()
  return (table, fields = []) => {
    const name = [table.name, ...fields].join(' ')
    let bulk = made.get(name)
    if (bulk === undefined) made.set(name, bulk = make(table, fields))
    return bulk
  }
}

async function writeRows (
  sql: Sql, statement: ReturnType<typeof rowStatements>, table: Table<unknown>, deleted: object[], inserted: object[]
): Promise<void> {
  const byFields = new Map<string, object[]>()
  for (const values of deleted) {
    const fields = Object.keys(values).join(' ')
    byFields.set(fields, [...byFields.get(fields) ?? [], values])
  }
  for (const [fields, rows] of byFields) await write(sql, statement.delete(table, fields.split(' ')), rows)
  if (inserted.length > 0) await write(sql, statement.insert(table), inserted)
}

async function write<Row> (sql: Sql, bulk: Bulk<Row>, rows: Iterable<Written<Row>>): Promise<number> {
  return await sql.execute(bulk.sql, bulk.parameter(rows))
}

async function findContacts (sql: Sql, statement: string, { toContacts, contactsMax }: Changes): Promise<void> {
  const topics = new Map<string, string[]>()
  for (const { userId, emission } of toContacts) {
    const shared = topics.get(userId)
    if (shared === undefined) topics.set(userId, emission.topics)
    else emission.topics = shared
  }
  const rows = await sql.query<{ user_id: string, id: string }>(statement, contactsMax, JSON.stringify(Array.from(topics.keys(), id => [id])))
  for (const { user_id: userId, id } of rows) topics.get(userId)?.push(id)
}
