import { createHash, randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { PrismaPg } from '@prisma/adapter-pg'
import t, { type Test } from 'tap'
import type { ChatAppOptions } from '../../app.js'
import type { ChangesPage, Conversation, ConversationPage } from '../../schemas/conversations.js'
import type { MentionPage, MessagePage, OwnMessage as Message, ReactionAnswer, ReactionPage, ReceiptPage } from '../../schemas/messages.js'
import { migrate } from '../../store/migrate.js'
import { buildListening, user, users, type User } from '../helper.js'
import { onPostgres, onSqlite, type Run } from '../log-end.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'

/** A database of the version before messages had more than text and conversations settings, and nodes of that version beside a new one. */

const MIGRATION = '_message_content'
const AT = 1_790_000_000_000
const hashOf = (text: string): string => createHash('sha256').update(text).digest('base64')

/** What was shipped before that migration. */
function earlierMigrations (t: Test, provider: string): URL {
  const shipped = new URL(`../../prisma/${provider}/migrations/`, import.meta.url)
  const folder = mkdtempSync(join(tmpdir(), 'migrations-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const names = readdirSync(shipped, { withFileTypes: true }).filter(entry => entry.isDirectory()).map(({ name }) => name).sort()
  for (const name of names.slice(0, names.findIndex(name => name.endsWith(MIGRATION)))) {
    mkdirSync(join(folder, name))
    cpSync(new URL(`${name}/migration.sql`, shipped), join(folder, name, 'migration.sql'))
  }
  return pathToFileURL(`${folder}/`)
}

const insertMessage = (
  seq: number, senderId: string, senderSeq: number, text: string,
  more: { clientId?: string, editedAt?: number, deletedAt?: number, first?: string } = {}
): string =>
  `INSERT INTO chat_messages (id, conversation, seq, sender_id, sender_seq, client_id, text, type, created_at, edited_at, deleted_at, first_text_hash)
   VALUES ('m${seq}', 1, ${seq}, '${senderId}', ${senderSeq}, ${more.clientId === undefined ? 'NULL' : `'${more.clientId}'`}, '${text}', 'text', ${AT + seq},
     ${more.editedAt ?? 'NULL'}, ${more.deletedAt ?? 'NULL'}, ${more.first === undefined ? 'NULL' : `'${hashOf(more.first)}'`})`

/** An event in a transaction of its own, as the earlier version writes it. */
const log = (seq: number, type: string, userId: string, messageSeq: number | null, detail: string | null = null): string[] => [
  'UPDATE chat_meta SET position = position + 1 WHERE id = 1',
  `INSERT INTO chat_events (conversation, seq, position, type, user_id, message_seq, detail, created_at, tag)
   SELECT 1, ${seq}, position, '${type}', '${userId}', ${messageSeq ?? 'NULL'}, ${detail === null ? 'NULL' : `'${detail}'`}, ${AT + seq}, 'tag${String(seq).padStart(5, '0')}'
   FROM chat_meta`,
  `UPDATE chat_conversations SET position = (SELECT position FROM chat_meta), activity = (SELECT position FROM chat_meta), updated_at = ${AT + seq},
     logged_at = ${AT + seq}, event_seq = ${seq} WHERE num = 1`
]

const FILLED = [
  ...['ann', 'bob', 'cid'].map(id => `INSERT INTO chat_users (id, display_name, profile_at, created_at) VALUES ('${id}', '${id}', 0, ${AT})`),
  `INSERT INTO chat_conversations (id, type, title, created_by, created_at, updated_at, participant_count) VALUES ('group_old', 'group', 'Old', 'ann', ${AT}, ${AT}, 3)`,
  ...['ann', 'bob', 'cid'].map((id, index) => `INSERT INTO chat_participants (conversation, user_id, role, joined_at, joined_seq, delivered_seq, read_seq)
    VALUES (1, '${id}', '${index === 0 ? 'owner' : 'member'}', ${AT}, 0, ${index}, ${index})`),
  insertMessage(1, 'ann', 1, 'plain', { clientId: 'c1' }),
  insertMessage(2, 'ann', 2, 'edited', { clientId: 'c2', editedAt: AT + 100, first: 'first' }),
  insertMessage(3, 'bob', 1, '', { clientId: 'c3', deletedAt: AT + 200, first: 'gone' }),
  insertMessage(4, 'bob', 2, 'last'),
  'UPDATE chat_conversations SET message_seq = 4 WHERE num = 1',
  ...log(1, 'conversationCreated', 'ann', null),
  ...log(2, 'participantJoined', 'cid', null, 'member'),
  ...log(3, 'message', 'ann', 1),
  ...log(4, 'message', 'ann', 2),
  ...log(5, 'messageUpdated', 'ann', 2),
  ...log(6, 'message', 'bob', 3),
  ...log(7, 'messageDeleted', 'bob', 3),
  ...log(8, 'statusUpdate', 'cid', 2, 'read'),
  ...log(9, 'message', 'bob', 4)
]

const DEFAULTS = {
  metadata: null,
  replyTo: null,
  replyCount: 0,
  mentions: [],
  mentionsAll: false,
  attachments: [],
  reactions: [],
  growing: false,
  deletedBy: null,
  myReactions: []
}
const ROOM = '/api/chat/conversations/group_old'

async function goesOn (t: Test, options: Partial<ChatAppOptions>, run: Run): Promise<void> {
  const app = await buildListening(t, { chat: options })
  const [ann, bob, cid] = users(app, 'ann', 'bob', 'cid') as [User, User, User]
  const get = async (who: User, id: string): Promise<Message> => await who.ok('GET', `/api/chat/messages/${id}`)

  await t.test('all that was there is there, with the defaults', async t => {
    const { messages } = await bob.ok<MessagePage>('GET', `${ROOM}/messages`)
    t.strictSame(messages.map(({ text, deletedAt, editedAt }) => [text, deletedAt !== null, editedAt !== null]),
      [['plain', false, false], ['edited', false, true], ['', true, false], ['last', false, false]])
    for (const message of messages) t.match(message, DEFAULTS)
    t.match(await ann.conversation('group_old'), {
      title: 'Old', avatar: null, description: null, metadata: null, createdBy: 'ann', firstSeq: 1, unreadMentionCount: 0, unreadCount: 1, me: { archived: false, notify: 'all' }
    })
    t.strictSame((await ann.conversation('group_old')).settings, { posting: 'everyone', mentionAll: 'everyone', pinning: 'admins', slowModeSeconds: 0, messageTtlSeconds: null })
    t.strictSame(await ann.ok('GET', `${ROOM}/changes`), { changes: [], hasMore: false }, 'what that version logged does not say after which message it was')
    t.match(await ann.ok('GET', '/api/chat/me'), { userId: 'ann', isBot: false, metadata: null })
    t.strictSame(await ann.ok('GET', '/api/chat/mentions'), { messages: [], nextCursor: null })
    const { identity } = app.chatDatabase
    const replay = await ann.openStream(t, { conversationId: 'group_old', lastEventId: `${identity}.1-tag00001.1`, echo: 'true' })
    const events = await replay.durable(8)
    t.strictSame(events.map(({ type }) => type), ['participantJoined', 'message', 'message', 'messageUpdated', 'message', 'messageDeleted', 'statusUpdate', 'message'])
    t.strictSame([events[0]!.data.byUserId, events[1]!.data.replyTo, events[1]!.data.reactions], [null, null, []])
  })

  await t.test('a repeat is judged by the text', async t => {
    const send = async (who: User, body: object): Promise<number> => (await who.call('POST', '/api/chat/messages', { conversationId: 'group_old', ...body })).status
    t.equal(await send(ann, { clientId: 'c1', text: 'plain', metadata: { a: 1 } }), 200)
    t.equal(await send(ann, { clientId: 'c1', text: 'other' }), 409)
    t.equal(await send(ann, { clientId: 'c2', text: 'first', mentionsAll: true }), 200)
    t.equal(await send(ann, { clientId: 'c2', text: 'edited' }), 409)
    t.equal(await send(bob, { clientId: 'c3', text: 'gone' }), 200)
  })

  await t.test('and it goes on', async t => {
    const reply = await bob.send('group_old', 'reply', { replyToId: 'm1', mentions: [{ userId: 'ann' }], metadata: { a: 1 } })
    t.match(reply, { seq: 5, replyTo: { id: 'm1', text: 'plain', replyCount: 1 } })
    t.match(await bob.call('POST', '/api/chat/messages', { conversationId: 'group_old', text: 'x', replyToId: 'm3' }), { status: 409 })
    t.match(await bob.ok<ReactionAnswer>('PUT', '/api/chat/messages/m1/reactions/%F0%9F%91%8D'), { changed: true })
    t.match(await ann.ok('PATCH', '/api/chat/messages/m1', { metadata: { b: 2 } }), { metadata: { b: 2 }, replyCount: 1, editedAt: null })
    t.match(await bob.ok('DELETE', '/api/chat/messages/m4'), { text: '', deletedBy: 'bob' })
    t.equal((await ann.conversation('group_old')).unreadMentionCount, 1)
    t.match(await ann.ok('PATCH', ROOM, { title: 'New', settings: { mentionAll: 'admins' } }), { title: 'New', settings: { posting: 'everyone', mentionAll: 'admins' } })
    t.match(await bob.call('PATCH', ROOM, { title: 'x' }), { status: 403 })
    t.match((await cid.ok<ChangesPage>('GET', `${ROOM}/changes`)).changes, [{ type: 'conversationUpdated', data: { title: 'New', changed: ['title', 'settings'] }, afterSeq: 5 }])
    t.match(await cid.ok('PATCH', '/api/chat/me', { metadata: { c: 3 } }), { metadata: { c: 3 } })
    t.match(await ann.ok('PUT', '/api/chat/blocks/bob'), { changed: true })
    t.equal((await ann.conversation('group_old')).unreadMentionCount, 0)
    t.match(await ann.ok('GET', '/api/chat/blocks'), { users: [{ userId: 'bob' }] })
    t.match(await ann.ok('DELETE', '/api/chat/blocks/bob'), { changed: true })
  })

  await t.test('of marks from before, nobody knows when they were set', async t => {
    const receipts = async (id: string): Promise<unknown> => {
      const { read, delivered, pending } = await ann.ok<ReceiptPage>('GET', `/api/chat/messages/${id}/receipts`)
      const entries = (list: ReceiptPage['read']): unknown => list.map(({ user, at }) => [user.userId, at === null])
      return [entries(read), entries(delivered), pending.map(({ userId }) => userId)]
    }
    t.strictSame(await receipts('m2'), [[['cid', true]], [], ['bob']])
    await bob.ok('PUT', '/api/chat/messages/m2/status', { status: 'read' })
    await cid.ok('PUT', '/api/chat/messages/m4/status', { status: 'read' })
    t.strictSame(await receipts('m1'), [[['bob', true], ['cid', true]], [], []], 'not the time of a later mark')
    t.strictSame(await receipts('m2'), [[['cid', true], ['bob', false]], [], []])
    // A node of the earlier version moves marks without a time.
    await run('UPDATE chat_participants SET delivered_seq = 2, read_seq = 2 WHERE user_id = \'cid\'', 'DELETE FROM chat_marks')
    await run('UPDATE chat_participants SET delivered_seq = 3, read_seq = 3 WHERE user_id = \'cid\'')
    await cid.ok('PUT', '/api/chat/messages/m4/status', { status: 'read' })
    t.strictSame(await receipts('m2'), [[['bob', true], ['cid', true]], [], []])
  })

  await t.test('own state, which nobody had', async t => {
    const me = { mutedUntil: null, archived: false, favourite: false, notify: 'all', unreadFrom: null, draft: null }
    t.strictSame((await cid.conversation('group_old')).me, me)
    t.match(await cid.ok('GET', '/api/chat/me'), { userVersion: 0 })
    const { unreadCount } = await cid.conversation('group_old')
    t.strictSame(await cid.ok('PATCH', `${ROOM}/me`, { favourite: true }),
      { conversationId: 'group_old', ...me, favourite: true, unreadCount, unreadMentionCount: 0, userVersion: 1 })
    t.match(await cid.ok('PATCH', `${ROOM}/me`, { archived: true }), { archived: true, userVersion: 2 })
    t.match(await cid.ok<ConversationPage>('GET', '/api/chat/conversations'), { conversations: [] })
    // A node of the earlier version moves marks, and leaves what it does not know.
    await run('UPDATE chat_participants SET role = \'member\', delivered_seq = 4, read_seq = 4, typing_until = NULL WHERE user_id = \'cid\'')
    t.match((await cid.conversation('group_old')).me, { archived: true, favourite: true })
  })

  await t.test('a node of the earlier version beside it', async t => {
    const told = await bob.ok<Message>('POST', '/api/chat/messages', { conversationId: 'group_old', text: 'for ann', mentions: [{ userId: 'ann', start: 0, length: 7 }], metadata: { a: 1 } })
    await ann.ok('PUT', `/api/chat/messages/${told.id}/reactions/%F0%9F%91%8D`)
    t.equal((await ann.conversation('group_old')).unreadMentionCount, 2)
    const stream = await ann.stream(t, { conversationId: 'group_old' })
    const { seq } = told
    const [row] = await app.chatDatabase.read.query<{ event_seq: number }>('SELECT event_seq FROM chat_conversations WHERE num = 1')
    let eventSeq = Number(row!.event_seq)
    // As it sends, edits and deletes: without the columns that it does not know.
    await run(insertMessage(seq + 1, 'bob', 5, 'from an old node', { clientId: 'c9' }), `UPDATE chat_conversations SET message_seq = ${seq + 1} WHERE num = 1`, ...log(++eventSeq, 'message', 'bob', seq + 1))
    const sent = await stream.next<Message>('message')
    const { myReactions, ...shape } = DEFAULTS
    t.match(sent.data, { ...shape, text: 'from an old node' })
    t.strictSame(myReactions, [])
    t.match(await bob.call('POST', '/api/chat/messages', { conversationId: 'group_old', clientId: 'c9', text: 'from an old node', metadata: { a: 1 } }), { status: 200, body: { metadata: null } })
    await run(`UPDATE chat_messages SET text = 'edited there', edited_at = ${AT + 9000}, deleted_at = NULL, first_text_hash = '${hashOf('for ann')}' WHERE id = '${told.id}'`, ...log(++eventSeq, 'messageUpdated', 'bob', seq))
    t.match(await stream.next('messageUpdated'), { data: { text: 'edited there', metadata: { a: 1 }, reactions: [{ emoji: '👍', count: 1 }] } })
    await run(`UPDATE chat_messages SET text = '', deleted_at = ${AT + 9500} WHERE id = '${told.id}'`, ...log(++eventSeq, 'messageDeleted', 'bob', seq))
    const { data: gone } = await stream.next<Message>('messageDeleted')
    t.match(gone, { ...shape, text: '' })
    t.equal('deletedAt' in gone && gone.deletedAt !== null, true)
    t.match(await get(ann, told.id), DEFAULTS)
    t.equal((await ann.conversation('group_old')).unreadMentionCount, 1, 'a mention that was deleted there does not count')
    t.equal((await ann.ok<MentionPage>('GET', '/api/chat/mentions')).messages.length, 1)
    t.strictSame((await ann.ok<ReactionPage>('GET', `/api/chat/messages/${told.id}/reactions`)).reactions, [])
    t.match(await ann.ok('DELETE', `/api/chat/messages/${told.id}/reactions/%F0%9F%91%8D`), { changed: false, reactions: [], myReactions: [] })
    await run('UPDATE chat_participants SET role = \'admin\' WHERE user_id = \'cid\'', ...log(++eventSeq, 'participantUpdated', 'cid', null, 'admin'))
    t.match(await stream.next('participantUpdated'), { data: { userId: 'cid', role: 'admin', byUserId: null } })
    t.equal((await ann.ok<ChangesPage>('GET', `${ROOM}/changes`)).changes.length, 1, 'a change that it logged is left out')
    await run(`INSERT INTO chat_users (id, display_name, avatar, password_hash, profile_at, created_at, is_online, is_hidden, online_until, last_seen)
      VALUES ('dora', 'dora', NULL, NULL, 0, ${AT}, false, false, NULL, NULL)`)
    t.match(await user(app, 'dora').ok('GET', '/api/chat/me'), { userId: 'dora', isBot: false, metadata: null })
    t.equal((await ann.ok<Conversation>('GET', ROOM)).participantCount, 3)
  })
}

t.test('SQLite', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'earlier-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const file = join(folder, 'chat.db')
  await migrate('sqlite', new PrismaBetterSqlite3({ url: `file:${file}` }), { migrations: earlierMigrations(t, 'sqlite') })
  const run = onSqlite(t, file)
  await run(...FILLED)
  await goesOn(t, { databaseUrl: `file:${file}` }, run)
})

t.test('PostgreSQL', { skip: await skipWithoutPostgres() }, async t => {
  const databaseUrl = await requirePostgres()
  const databaseSchema = `earlier_${randomBytes(6).toString('hex')}`
  await migrate('postgresql', new PrismaPg(databaseUrl), { schema: databaseSchema, migrations: earlierMigrations(t, 'postgresql') })
  const run = await onPostgres(t, databaseSchema)
  await run(...FILLED)
  await goesOn(t, { databaseUrl, databaseSchema }, run)
  t.teardown(async () => { await run(`DROP SCHEMA ${databaseSchema} CASCADE`) })
})
