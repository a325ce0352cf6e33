// SQL by hand: one statement per kind of change, whatever the number of commands.
import { hiddenFrom } from '../hub/hidden.js'
import type { Changes } from './changes.js'
import type { Database } from './database.js'
import { appendEvents, nextPosition } from './event-log.js'
import { insertFormer } from './marks.js'
import { writeMoves } from './moves.js'
import { countUnread, moveUserVersions, updateOwnStates } from './own-states.js'
import { releaseFiles, releaseFilesOf } from './file-rows.js'
import { addConversations, setGroupsMade } from './quotas.js'
import type { Dialect, Sql } from './sql.js'
import { writesOf } from './row-statements.js'
import { changedOfConversations, changedOfParticipants, changedOfUsers, fieldsOfNewMessages, fieldsOfNewUsers, fieldsOfParticipants } from './rows.js'
import { depthOf, fieldsBut, insert, keyed, perDialect, remove, update, write, type BulkWrite, type Table, type Written } from './table.js'
import * as tables from './tables.js'

/** Another transaction wrote the same new row at the same moment. The commands have to be loaded and decided again. */
export class Conflict extends Error {
  override name = 'Conflict'
}

const statements = perDialect(dialect => ({
  insertUsers: insert(tables.users, dialect, fieldsOfNewUsers, 'ON CONFLICT (id) DO NOTHING'),
  updateUsers: update(tables.users, dialect, ['id'], changedOfUsers),
  insertConversations: insert(tables.conversations, dialect, ['id', 'type', 'title', 'createdBy', 'createdAt', 'updatedAt'],
    'ON CONFLICT (id) DO NOTHING RETURNING id, num'),
  updateConversations: update(tables.conversations, dialect, ['num'], changedOfConversations),
  insertParticipants: insert(tables.participants, dialect, ['conversation', 'userId', ...fieldsOfParticipants]),
  updateParticipants: update(tables.participants, dialect, ['conversation', 'userId'], changedOfParticipants),
  deleteParticipants: remove(tables.participants, dialect, ['conversation', 'userId']),
  insertMessages: insert(tables.messages, dialect, fieldsOfNewMessages),
  updateMessages: update(tables.messages, dialect, ['id'], fieldsBut(tables.messages, ['id', 'conversation', 'seq', 'senderId', 'senderSeq',
    'clientId', 'type', 'createdAt', 'replyTo', 'contentHash'])),
  insertStreams: insert(tables.streams, dialect, ['id', 'nodeId', 'userId', 'conversationId', 'expiresAt']),
  updateStreams: update(tables.streams, dialect, ['id'], ['expiresAt']),
  deleteStreams: remove(tables.streams, dialect, ['id']),
  findContacts: `SELECT p.user_id, c.id AS topic, NULL AS blocked FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation
    WHERE c.participant_count <= ? AND p.user_id IN (SELECT k.id FROM ${keyed(tables.users, dialect, ['id'])} k)
    UNION ALL SELECT b.user_id, NULL, b.blocked_id FROM chat_blocks b
    WHERE b.user_id IN (SELECT k.id FROM ${keyed(tables.users, dialect, ['id'])} k)`
}))

/** New rows are written in the same order on all nodes, so that two that write the same rows cannot deadlock. */
const byId = (a: { id: string }, b: { id: string }): number => a.id < b.id ? -1 : 1

/**
 * Writes all changes, each kind with one statement.
 * @throws {Conflict} when another transaction created the same user or conversation
 */
export async function flush ({ dialect }: Database, sql: Sql, changes: Changes, now: number): Promise<void> {
  const sent: Array<Promise<unknown>> = []
  try {
    await writeAll(dialect, sql, changes, now, sent)
  } catch (error) {
    // PostgreSQL refuses everything after a statement that failed. What was sent first says why.
    await Promise.all(sent)
    throw error
  }
}

/** Adds to `sent` what it does not wait for at once: on PostgreSQL, statements are sent without the answer to the one before. */
async function writeAll (dialect: Dialect, sql: Sql, changes: Changes, now: number, sent: Array<Promise<unknown>>): Promise<void> {
  const statement = statements(dialect)
  const send = <Row>(to: BulkWrite<Row>, rows: Iterable<Written<Row>>): void => {
    const writing = write(sql, to, rows)
    writing.catch(() => {})
    sent.push(writing)
  }
  if (changes.newUsers.size > 0) {
    const rows = [...changes.newUsers].sort(byId)
    if (await write(sql, statement.insertUsers, rows) !== rows.length) throw new Conflict('user')
  }
  if (changes.changedUsers.size > 0) send(statement.updateUsers, changes.changedUsers)
  // Before participants are written or deleted: a change of an own state takes these locks in the same order.
  if (changes.stateChanges.size > 0) await moveUserVersions(sql, dialect, changes.stateChanges)
  if (changes.newConversations.size > 0) {
    const rows = [...changes.newConversations].sort(byId)
    const { sql: text, parameter } = statement.insertConversations
    const nums = new Map((await sql.query<{ id: string, num: number }>(text, parameter(rows))).map(({ id, num }) => [id, Number(num)]))
    if (nums.size !== rows.length) throw new Conflict('conversation')
    for (const row of rows) row.num = nums.get(row.id) ?? 0
  }
  if (changes.changedConversations.size > 0) send(statement.updateConversations, changes.changedConversations)
  if (changes.moreConversations.size > 0) await addConversations(sql, dialect, changes.moreConversations)
  if (changes.groupsMade.size > 0) await setGroupsMade(sql, dialect, changes.groupsMade)
  if (changes.removedParticipants.size > 0) send(statement.deleteParticipants, changes.removedParticipants)
  if (changes.leavers.length > 0) await insertFormer(sql, dialect, changes.leavers)
  if (changes.newParticipants.size > 0) send(statement.insertParticipants, changes.newParticipants)
  if (changes.changedParticipants.size > 0) send(statement.updateParticipants, changes.changedParticipants)
  if (changes.changedOwnStates.size > 0) await updateOwnStates(sql, dialect, changes.changedOwnStates)
  if (changes.newMessages.length > 0) send(statement.insertMessages, changes.newMessages)
  if (changes.changedMessages.size > 0) send(statement.updateMessages, changes.changedMessages)
  const moves = [...changes.moves.delivered.values(), ...changes.moves.read.values()]
  if (moves.length > 0) await writeMoves(sql, dialect, moves)
  for (const [table, rows] of changes.rows) for (const [to, values] of writesOf(dialect, table, rows)) send(to, values)
  if (changes.releasedFiles.size > 0) await releaseFiles(sql, dialect, changes.releasedFiles)
  if (changes.closedStreams.size > 0) send(statement.deleteStreams, Array.from(changes.closedStreams, id => ({ id })))
  if (changes.newStreams.size > 0) send(statement.insertStreams, changes.newStreams)
  if (changes.changedStreams.size > 0) send(statement.updateStreams, changes.changedStreams)
  if (changes.deletedConversations.size > 0) await deleteConversations(sql, dialect, changes, now)
  if (changes.uncounted.length > 0) await countUnread(sql, dialect, changes.uncounted)
  if (changes.toContacts.length > 0) await findContacts(sql, statement.findContacts, changes)
  const touched = Array.from(changes.touched, conversation => ({ conversation, active: changes.active.has(conversation) }))
  const appending = changes.events.length === 0 ? undefined : appendEvents(sql, dialect, changes.events.map(({ row }) => row), touched)
  const [logged] = await Promise.all([appending, ...sent])
  if (logged === undefined) return
  changes.logged = logged
  for (const { emission } of changes.events) {
    emission.position = logged.position
    emission.tag = logged.tag
  }
}

/** Tables whose rows belong to a conversation, those that others refer to last. */
const ofConversations = (Object.values(tables) as Array<Table<unknown>>)
  .filter(({ columns }) => 'conversation' in (columns as object)).sort((a, b) => depthOf(b) - depthOf(a))

async function deleteConversations (sql: Sql, dialect: Dialect, { deletedConversations }: Changes, now: number): Promise<void> {
  const conversations = [...deletedConversations]
  const nums = JSON.stringify(conversations.map(({ num }) => [num]))
  const which = `IN (SELECT k.num FROM ${keyed(tables.conversations, dialect, ['num'])} k)`
  await releaseFilesOf(sql, nums, which)
  for (const { name } of ofConversations) await sql.execute(`DELETE FROM ${name} WHERE conversation ${which}`, nums)
  await sql.execute(`DELETE FROM ${tables.conversations.name} WHERE num ${which}`, nums)
  for (const { id, num, eventSeq } of conversations) {
    const position = await nextPosition(sql)
    await sql.execute(`INSERT INTO ${tables.deletions.name} (position, conversation_id, deleted_at, num, event_seq) VALUES (?, ?, ?, ?, ?)`,
      position, id, now, num, eventSeq + 1)
  }
}

/** Finds the topics of what is told to contacts and, for presence, whom it is hidden from. */
async function findContacts (sql: Sql, statement: string, { toContacts, contactsMax }: Changes): Promise<void> {
  const topics = new Map<string, string[]>()
  const blocked = new Map<string, string[]>()
  for (const { userId, emission, isPresence } of toContacts) {
    const shared = topics.get(userId)
    if (shared === undefined) topics.set(userId, emission.topics)
    else emission.topics = shared
    if (isPresence) blocked.set(userId, [])
  }
  const ids = (users: ReadonlyMap<string, unknown>): string => JSON.stringify(Array.from(users.keys(), id => [id]))
  const rows = await sql.query<{ user_id: string, topic: string | null, blocked: string | null }>(statement, contactsMax, ids(topics), ids(blocked))
  for (const { user_id: userId, topic, blocked: blockedId } of rows) {
    if (topic !== null) topics.get(userId)?.push(topic)
    if (blockedId !== null) blocked.get(userId)?.push(blockedId)
  }
  for (const { userId, emission, isPresence } of toContacts) {
    const users = blocked.get(userId) ?? []
    if (isPresence && users.length > 0) emission.hidden = hiddenFrom(users)
  }
}
