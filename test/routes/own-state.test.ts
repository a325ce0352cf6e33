import { test, type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { DEFAULT_STATE, type ConversationPage, type OwnState, type OwnStateAnswer } from '../../schemas/conversations.js'
import type { OwnMessage as Message } from '../../schemas/messages.js'
import type { OwnProfile } from '../../schemas/users.js'
import type { EventReader } from '../event-reader.js'
import type { Sql } from '../../store/sql.js'
import { build, buildListening, throwAwayStore, travel, uniqueId, user, users, written, type Answer, type User } from '../helper.js'

/** A group whose owner is alice, and in which bob has read nothing. */
async function scene (t: Test, make = build) {
  const app = await make(t)
  const [alice, bob, cid] = users(app, 'alice', 'bob', 'cid') as [User, User, User]
  const id = await alice.group([bob, cid], 'Group')
  return { app, alice, bob, cid, id }
}

const INVALID = { status: 400, body: { code: 'VALIDATION_FAILED' } }
const NOT_FOUND = { status: 404, body: { code: 'NOT_FOUND' } }

const statePath = (id: string): string => `/api/chat/conversations/${encodeURIComponent(id)}/me`
const set = async (who: User, id: string, body: object): Promise<OwnStateAnswer> => await who.ok('PATCH', statePath(id), body)
const trySet = async (who: User, id: string, body: unknown): Promise<Answer> => await who.call('PATCH', statePath(id), body)
const stateOf = async (who: User, id: string): Promise<OwnState> => (await who.conversation(id)).me
const read = async (who: User, id: string, seq: number): Promise<unknown> => await who.ok('PUT', `/api/chat/conversations/${id}/read`, { seq })
const totals = async (who: User): Promise<OwnProfile> => await who.ok('GET', '/api/chat/me')
const versionOf = async (who: User): Promise<number> => (await totals(who)).userVersion
const listed = async (who: User, query = ''): Promise<string[]> =>
  (await who.ok<ConversationPage>('GET', `/api/chat/conversations${query}`)).conversations.map(({ id }) => id)
const unread = async (who: User, id: string): Promise<number[]> => {
  const { unreadCount, unreadMentionCount } = await who.conversation(id)
  return [unreadCount, unreadMentionCount]
}
/** What a stream hears of the own state, up to a change that follows on a conversation of its own. */
const heard = async (stream: EventReader, last: number): Promise<Array<Record<string, unknown>>> =>
  (await stream.until(({ type, data }) => type === 'conversationState' && data.userVersion === last))
    .filter(({ type }) => type === 'conversationState').map(({ data }) => data)

test('what is changed is answered, shown everywhere, and told to the own streams that cover the conversation', async t => {
  const { app, alice, bob, id } = await scene(t, buildListening)
  const other = await bob.direct(alice)
  t.strictSame(await stateOf(bob, id), DEFAULT_STATE)
  await alice.send(id, 'x', { mentions: [{ userId: 'bob' }] })
  const [one, all, elsewhere, others] = [
    await bob.stream(t, { conversationId: id }), await bob.stream(t), await bob.stream(t, { conversationId: other }), await alice.stream(t)
  ]
  const until = '2126-01-15T12:30:00.250+02:00'
  const me = { ...DEFAULT_STATE, mutedUntil: '2126-01-15T10:30:00.250Z', archived: true, favourite: true, notify: 'mentions' as const, unreadFrom: 1 }
  const answer = await set(bob, id, { mutedUntil: until, archived: true, favourite: true, notify: 'mentions', unreadFrom: 1, somethingElse: 1 })
  t.strictSame(answer, { conversationId: id, ...me, unreadCount: 1, unreadMentionCount: 1, userVersion: 1 })
  for (const stream of [one, all]) {
    const { id: eventId, data: { timestamp, ...data } } = await stream.next('conversationState')
    t.strictSame(data, answer)
    t.equal(eventId, undefined, 'it has no id')
    t.match(timestamp, /^\d{4}-.*Z$/)
  }
  t.strictSame(await stateOf(bob, id), me)
  t.strictSame((await bob.ok<ConversationPage>('GET', '/api/chat/conversations?archived=all')).conversations.find(each => each.id === id)?.me, me)
  t.strictSame((await bob.ok<{ me: OwnState }>('POST', '/api/chat/conversations', { type: 'direct', userId: 'alice' })).me, DEFAULT_STATE)
  t.strictSame((await alice.ok<{ me: OwnState }>('PATCH', `/api/chat/conversations/${id}`, { title: 'Other' })).me, DEFAULT_STATE, 'nobody else sees it')
  t.equal((await (await bob.openStream(t)).next('connected')).data.userVersion, 1)

  await alice.send(other, 'y')
  await elsewhere.next('message')
  await bob.send(other, 'z')
  await others.next('message')
  for (const stream of [elsewhere, others]) t.notOk(stream.events.some(({ type }) => type === 'conversationState'), 'nor is told')
  t.equal(await versionOf(alice), 0)
  t.strictSame((await app.chat.updateOwnState('bob', id, { favourite: false })).favourite, false, 'in process')
  t.strictSame(Object.keys(await app.chat.updateOwnState('bob', id, {})), Object.keys(answer))
  await t.rejects(app.chat.updateOwnState('bob', id, { favourite: 1 } as never), { code: 'VALIDATION_FAILED' })
})

test('each field alone; what is not named stays', async t => {
  const { bob, alice, id } = await scene(t)
  await alice.send(id, 'x')
  let me: OwnState = DEFAULT_STATE
  let version = 0
  for (const change of [{ notify: 'none' }, { favourite: true }, { unreadFrom: 1 }, { archived: true }, { mutedUntil: 'forever' }, { notify: 'all' },
    { favourite: false }, { unreadFrom: null }, { archived: false }, { mutedUntil: null }] as Array<Partial<OwnState>>) {
    me = { ...me, ...change }
    t.strictSame(await set(bob, id, change), { conversationId: id, ...me, unreadCount: 1, unreadMentionCount: 0, userVersion: ++version })
    t.strictSame(await stateOf(bob, id), me)
  }
})

test('a repeat answers 200, moves no number and tells nothing', async t => {
  const { app, alice, bob, id } = await scene(t, buildListening)
  await alice.send(id, 'x')
  const stream = await bob.stream(t)
  const body = { mutedUntil: '2126-01-15T10:30:00.000Z', archived: true, favourite: true, notify: 'none', unreadFrom: 1 }
  const first = await set(bob, id, body)
  const before = await written(app)
  for (const again of [body, {}, { archived: true }, { mutedUntil: '2126-01-15T12:30:00+02:00' }, { unreadFrom: 1, notify: 'none' }]) t.strictSame(await set(bob, id, again), first)
  await set(bob, id, { mutedUntil: null, archived: false, favourite: false, notify: 'all', unreadFrom: null })
  for (const again of [{ mutedUntil: null }, { archived: false }, { favourite: false, notify: 'all', unreadFrom: null }]) t.equal((await set(bob, id, again)).userVersion, 2)
  t.strictSame((await heard(stream, 2)).map(({ userVersion }) => userVersion), [1, 2])
  t.strictSame(await written(app), before)
})

test('what is refused', async t => {
  const { alice, bob, id } = await scene(t)
  const stranger = await user(bob.app, 'zed').arrive()
  t.match(await trySet(bob, id, { unreadFrom: 1 }), INVALID, 'there is no message yet')
  await alice.send(id, 'x')
  for (const body of [
    { mutedUntil: '2020-01-01T00:00:00.000Z' }, { mutedUntil: 'never' }, { mutedUntil: '2126-02-30T00:00:00.000Z' }, { mutedUntil: '2126-13-01T00:00:00Z' },
    { mutedUntil: '2126-01-01' }, { mutedUntil: '2126-01-01T24:00:00Z' }, { mutedUntil: '9999-12-31T23:59:59-23:59' },
    { mutedUntil: 4_900_000_000_000 }, { mutedUntil: true }, { mutedUntil: '' }, { archived: 'true' }, { archived: null },
    { favourite: 1 }, { favourite: null }, { notify: 'some' }, { notify: null }, { unreadFrom: 0 }, { unreadFrom: 2 }, { unreadFrom: 1.5 }, { unreadFrom: '1' },
    { unreadFrom: -1 }, { unreadFrom: 2 ** 40 }, []
  ]) t.match(await trySet(bob, id, body), INVALID, JSON.stringify(body))
  t.match(await trySet(bob, id, { favourite: true, unreadFrom: 2 }), INVALID)
  t.strictSame(await stateOf(bob, id), DEFAULT_STATE, 'nothing is written when anything is refused')
  for (const [who, where] of [[stranger, id], [bob, 'group_unknown'], [bob, 'x'.repeat(301)], [bob, 'a\u0000b']] as const) {
    t.match(await trySet(who, where, { favourite: true }), NOT_FOUND)
  }
  t.match(await trySet(stranger, id, { favourite: 1 }), INVALID, 'what the request alone decides comes first')
  t.match(await trySet(stranger, id, { unreadFrom: 99 }), NOT_FOUND)
  t.equal(await versionOf(bob), 0)
})

test('muted until an instant: once it has passed it reads null, without an event', async t => {
  const clock = travel(t)
  const { alice, bob, id } = await scene(t, buildListening)
  const stream = await bob.stream(t)
  const until = new Date(Date.now() + 30_000).toISOString()
  t.equal((await set(bob, id, { mutedUntil: until, archived: true })).mutedUntil, until)
  await alice.send(id, 'x')
  t.match(await stateOf(bob, id), { mutedUntil: until, archived: true })
  await clock.advance(31_000)
  t.match(await stateOf(bob, id), { mutedUntil: null, archived: false }, 'and what came meanwhile brings it back')
  t.match(await set(bob, id, { mutedUntil: null }), { mutedUntil: null, userVersion: 1 }, 'that is a repeat')
  t.equal((await set(bob, id, { favourite: true })).userVersion, 2)
  t.strictSame((await heard(stream, 2)).map(({ userVersion, mutedUntil }) => [userVersion, mutedUntil]), [[1, until], [2, null]])
})

test('archived: a message brings an unmuted one back, one\'s own and a mention too, without an event', async t => {
  const { alice, bob, id } = await scene(t, buildListening)
  const stream = await bob.stream(t)
  let version = 0
  const archive = async (more: object = {}): Promise<void> => {
    t.match(await set(bob, id, { archived: true, ...more }), { archived: true, userVersion: ++version })
    t.strictSame([await listed(bob), await listed(bob, '?archived=true')], [[], [id]])
  }
  await archive()
  for (const send of [
    async () => await alice.send(id, 'x'),
    async () => await bob.send(id, 'x'),
    async () => await alice.send(id, 'x', { mentions: [{ userId: 'bob' }] })
  ]) {
    await send()
    t.equal((await stateOf(bob, id)).archived, false)
    t.strictSame([await listed(bob), await listed(bob, '?archived=true')], [[id], []])
    await archive()
  }
  await set(bob, id, { mutedUntil: 'forever' })
  version++
  await alice.send(id, 'x')
  await bob.send(id, 'x')
  await alice.send(id, 'x', { mentions: [{ userId: 'bob' }], mentionsAll: true })
  t.equal((await stateOf(bob, id)).archived, true, 'a muted one stays')
  await archive()
  t.match(await set(bob, id, { mutedUntil: null }), { archived: true, userVersion: ++version }, 'archived again: up to now')
  await alice.ok('PATCH', `/api/chat/messages/${(await alice.send(id, 'x')).id}`, { text: 'y' })
  t.equal((await stateOf(bob, id)).archived, false)
  t.equal((await set(bob, id, { archived: false })).userVersion, version, 'it is not archived, so nothing changes')
  t.match(await set(bob, id, { mutedUntil: 'forever' }), { archived: false, userVersion: ++version }, 'and stays where it is when it is muted')
  await archive()
  await set(bob, id, { mutedUntil: null })
  version++
  await alice.send(id, 'x')
  t.equal((await stateOf(bob, id)).archived, false)
  t.match(await set(bob, id, { mutedUntil: 'forever' }), { archived: true, userVersion: ++version }, 'muting one that was archived keeps it there')
  t.match(await set(bob, id, { archived: false }), { archived: false, userVersion: ++version })
  t.strictSame((await heard(stream, version)).map(({ userVersion }) => userVersion), Array.from({ length: version }, (_, index) => index + 1))
})

test('messages write no row of a participant, however many have archived the conversation', async t => {
  const { app, alice, bob, cid, id } = await scene(t)
  for (const who of [bob, cid]) await set(who, id, { archived: true })
  const statements = statementsOf(app)
  for (let n = 0; n < 5; n++) await alice.send(id, 'x', n === 4 ? { mentionsAll: true } : {})
  t.strictSame(statements.filter(sql => /(INSERT INTO|UPDATE|DELETE FROM) chat_(participants|users)/.test(sql)), [])
  t.ok(statements.some(sql => sql.includes('INSERT INTO chat_messages')))
  for (const who of [bob, cid]) t.equal((await stateOf(who, id)).archived, false, 'and it comes back')
})

test('my state locks no conversation, and reads of who has marked nothing lock no user', async t => {
  const { app, alice, bob, id } = await scene(t)
  await alice.send(id, 'x')
  const statements = statementsOf(app)
  await set(bob, id, { favourite: true, archived: true, unreadFrom: 1 })
  t.notOk(statements.some(sql => sql.includes('wanted')), 'the statement that locks conversations')
  t.notOk(statements.some(sql => /INTO chat_events|UPDATE chat_conversations/.test(sql)))
  statements.length = 0
  await read(alice, id, 1)
  t.notOk(statements.some(sql => /FROM chat_users u WHERE|own_state|UPDATE chat_users/.test(sql)))
})

/** The statements of transactions from now on. */
function statementsOf ({ chatDatabase: database }: FastifyInstance): string[] {
  const statements: string[] = []
  const { transaction } = database
  const noting = (sql: Sql): Sql => ({
    query: async (text, ...params) => { statements.push(text); return await sql.query(text, ...params) },
    execute: async (text, ...params) => { statements.push(text); return await sql.execute(text, ...params) }
  })
  database.transaction = async work => await transaction(async (sql, early) => await work(noting(sql), noting(early)))
  return statements
}

test('leaving forgets the own state', async t => {
  const { alice, bob, id } = await scene(t)
  await alice.send(id, 'x')
  await set(bob, id, { mutedUntil: 'forever', archived: true, favourite: true, notify: 'none', unreadFrom: 1 })
  await bob.ok('DELETE', `/api/chat/conversations/${id}/participants/bob`)
  t.match(await trySet(bob, id, { favourite: true }), NOT_FOUND)
  await alice.ok('POST', `/api/chat/conversations/${id}/participants`, { participantIds: ['bob'] })
  t.strictSame(await stateOf(bob, id), DEFAULT_STATE)
  t.equal(await versionOf(bob), 1, 'leaving and being added are no changes of it')
})

test('marked as unread: from there on, or from the read mark on, whichever begins earlier', async t => {
  const { alice, bob, cid, id } = await scene(t, buildListening)
  for (let seq = 1; seq <= 6; seq++) await (seq === 3 ? bob : alice).send(id, String(seq), seq === 2 || seq === 6 ? { mentions: [{ userId: 'bob' }] } : {})
  await read(bob, id, 4)
  const others = await cid.stream(t, { conversationId: id })
  t.match(await set(bob, id, { unreadFrom: 6 }), { unreadFrom: 6, unreadCount: 2, unreadMentionCount: 1 })
  t.match(await set(bob, id, { unreadFrom: 2 }), { unreadFrom: 2, unreadCount: 4, unreadMentionCount: 2 }, 'without one\'s own')
  t.strictSame(await unread(bob, id), [4, 2])
  t.match((await bob.ok<ConversationPage>('GET', '/api/chat/conversations')).conversations[0], { unreadCount: 4, unreadMentionCount: 2 })
  t.match(await totals(bob), { unreadCount: 4, unreadConversations: 1, unreadMentionCount: 2 })
  const { participants } = await bob.conversation(id)
  t.match(participants.find(({ userId }) => userId === 'bob'), { readSeq: 4, deliveredSeq: 4 }, 'the marks do not move')
  const gone = (await alice.ok<{ messages: Message[] }>('GET', `/api/chat/conversations/${id}/messages?before=3&limit=1`)).messages[0]!
  await alice.ok('DELETE', `/api/chat/messages/${gone.id}`)
  t.strictSame(await unread(bob, id), [3, 1])
  t.match(await set(bob, id, { unreadFrom: null }), { unreadFrom: null, unreadCount: 2, unreadMentionCount: 1 })
  const last = await alice.send(id, 'last')
  const passed = await others.until(({ data }) => data.id === last.id)
  t.strictSame(passed.map(({ type }) => type).filter(type => type !== 'onlineStatus'), ['messageDeleted', 'message'], 'nobody else is told')

  await read(bob, id, 7)
  await cid.ok('DELETE', `/api/chat/conversations/${id}/participants/cid`)
  await alice.send(id, 'all', { mentionsAll: true })
  await alice.ok('POST', `/api/chat/conversations/${id}/participants`, { participantIds: ['cid'] })
  t.match(await set(cid, id, { unreadFrom: 1 }), { unreadCount: 7, unreadMentionCount: 0 }, 'mentions of before one joined do not count')
})

test('whatever reads clears the mark, also where nothing else changes, and that is told', async t => {
  const { alice, bob, id } = await scene(t, buildListening)
  const messages = [await alice.send(id, 'x'), await bob.send(id, 'y'), await alice.send(id, 'z')]
  await read(bob, id, 3)
  const [one, all] = [await bob.stream(t, { conversationId: id }), await bob.stream(t)]
  let version = 0
  const marked = async (): Promise<void> => {
    t.match(await set(bob, id, { unreadFrom: 1, favourite: true }), { unreadFrom: 1, unreadCount: 2, userVersion: ++version })
  }
  const cleared = async (what: string): Promise<void> => {
    version++
    for (const stream of [one, all]) {
      const counts = { unreadCount: 0, unreadMentionCount: 0 }
      t.match((await heard(stream, version)).at(-1), { conversationId: id, unreadFrom: null, favourite: true, ...counts }, what)
    }
    t.match(await totals(bob), { userVersion: version, unreadCount: 0, unreadConversations: 0 })
  }
  for (const [what, clear, answer] of [
    ['read, nothing changed', async () => await read(bob, id, 3), { seq: 3, changed: false }],
    ['read up to the beginning', async () => await read(bob, id, 0), { seq: 3, changed: false }],
    ['read past the end', async () => await read(bob, id, 99), { seq: 3, changed: false }],
    ['status read', async () => await bob.mark(messages[0]!, 'read'), { status: 'read', changed: false }]
  ] as const) {
    await marked()
    t.match(await clear(), answer)
    await cleared(what)
  }
  await marked()
  t.match(await bob.mark(messages[2]!, 'delivered'), { changed: false })
  t.match(await bob.call('PUT', `/api/chat/messages/${messages[1]!.id}/status`, { status: 'read' }), { status: 403 })
  t.equal((await stateOf(bob, id)).unreadFrom, 1, 'delivered does not, nor what is refused')
  await alice.send(id, 'new')
  t.match(await read(bob, id, 4), { seq: 4, changed: true })
  await cleared('read on')
  t.match(await read(bob, id, 4), { changed: false })
  t.equal(await versionOf(bob), version, 'without a mark nothing is cleared')
})

test('lists: archived, favourites, unread; each with its own cursors', async t => {
  const { alice, bob, app } = await scene(t)
  const cid = await user(app, 'cid').arrive()
  const ids: string[] = []
  for (let n = 0; n < 6; n++) ids.unshift(await alice.group([bob, cid], String(n)))
  const [f, e, d, c, b, a] = ids as [string, string, string, string, string, string]
  const group = (await listed(bob)).find(id => !ids.includes(id))!
  for (const id of [a, c, e]) await set(bob, id, { archived: true })
  for (const id of [b, c, f]) await set(bob, id, { favourite: true })
  t.strictSame(await listed(bob), [f, d, b, group], 'archived ones are left out')
  t.strictSame(await listed(bob, '?archived=false'), [f, d, b, group])
  t.strictSame(await listed(bob, '?archived=true'), [e, c, a])
  t.strictSame(await listed(bob, '?archived=all'), [...ids, group])
  t.strictSame(await listed(bob, '?favourite=true'), [f, b])
  t.strictSame(await listed(bob, '?favourite=true&archived=all'), [f, c, b])
  t.strictSame(await listed(bob, '?favourite=false&unread=false'), await listed(bob))
  t.strictSame(await listed(bob, '?unread=true'), [])
  await set(bob, c, { mutedUntil: 'forever' })
  for (const id of [c, d, b]) await alice.send(id, 'x')
  await bob.send(f, 'x')
  await read(bob, b, 1)
  t.strictSame(await listed(bob, '?unread=true'), [d])
  t.strictSame(await listed(bob, '?unread=true&archived=all'), [d, c])
  await set(bob, b, { unreadFrom: 1 })
  await set(bob, f, { unreadFrom: 1 })
  t.strictSame(await listed(bob, '?unread=true'), [f, b, d], 'marked ones are among them, even if only one\'s own messages are')
  t.strictSame(await listed(bob, '?unread=true&favourite=true&archived=all'), [f, b, c])
  for (const query of ['?archived=all', '?archived=all&favourite=true', '?unread=true', '']) {
    const whole = await listed(bob, query)
    const paged: string[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: ConversationPage = await bob.ok('GET', `/api/chat/conversations${query === '' ? '?' : `${query}&`}limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`)
      paged.push(...page.conversations.map(({ id }) => id))
      cursor = page.nextCursor
    }
    t.strictSame(paged, whole, `by pages ${query}`)
  }
  const { nextCursor } = await bob.ok<ConversationPage>('GET', '/api/chat/conversations?archived=all&limit=1')
  for (const query of ['', '&archived=true', '&archived=all&favourite=true', '&archived=all&unread=true']) {
    t.match(await bob.call('GET', `/api/chat/conversations?cursor=${nextCursor}${query}`), { status: 400, body: { code: 'INVALID_CURSOR' } })
  }
  for (const query of ['archived=yes', 'archived=', 'favourite=1x', 'unread=maybe']) t.match(await bob.call('GET', `/api/chat/conversations?${query}`), INVALID, query)
  t.strictSame((await app.chat.conversations('bob', { archived: 'true' })).conversations.map(({ id }) => id), [c, e, a], 'in process')
})

test('totals: neither archived nor muted; mentions unless muted with notify none', async t => {
  const { alice, bob, id } = await scene(t)
  const other = await alice.group([bob], 'Other')
  t.match(await totals(bob), { userId: 'bob', metadata: null, userVersion: 0, unreadCount: 0, unreadConversations: 0, unreadMentionCount: 0 })
  for (const where of [id, other]) {
    await alice.send(where, 'x')
    await alice.send(where, 'y', { mentionsAll: true })
  }
  const of = async (): Promise<number[]> => {
    const { unreadCount, unreadConversations, unreadMentionCount } = await totals(bob)
    return [unreadCount, unreadConversations, unreadMentionCount]
  }
  t.strictSame(await of(), [4, 2, 2])
  await set(bob, id, { notify: 'none' })
  t.strictSame(await of(), [4, 2, 2], 'notify alone changes no count')
  await set(bob, id, { mutedUntil: 'forever' })
  t.strictSame(await of(), [2, 1, 1])
  await set(bob, id, { notify: 'mentions' })
  t.strictSame(await of(), [2, 1, 2])
  await set(bob, id, { unreadFrom: 1 })
  t.strictSame(await of(), [2, 1, 2])
  t.strictSame(await unread(bob, id), [2, 1], 'muting changes no count of the conversation')
  await set(bob, id, { archived: true })
  t.strictSame(await of(), [2, 1, 1])
  await set(bob, other, { archived: true })
  t.strictSame(await of(), [0, 0, 0])
  await set(bob, other, { archived: false })
  await read(bob, other, 2)
  t.strictSame(await of(), [0, 0, 0])
  await bob.send(other, 'own')
  await set(bob, other, { unreadFrom: 3 })
  t.strictSame(await of(), [0, 1, 0], 'marked as unread counts as a conversation')
  t.match(await bob.ok('PATCH', '/api/chat/me', { metadata: { a: 1 } }), { metadata: { a: 1 }, unreadConversations: 1 })
  t.notOk('userVersion' in await alice.ok<object>('GET', '/api/chat/users/bob'), 'not shown to others')
})

test('totals end at 1,000', async t => {
  const { app, alice, bob, id } = await scene(t)
  await Promise.all(Array.from({ length: 1003 }, async () => await app.chat.sendMessage('alice', { conversationId: id, text: 'x' })))
  t.match(await totals(bob), { unreadCount: 1000, unreadConversations: 1, unreadMentionCount: 0 })
  t.strictSame(await unread(bob, id), [1003, 0])
  t.equal((await totals(alice)).unreadCount, 0)
})

test('two devices at once: the last write wins for each field, and each change counts once', async t => {
  const { options, remove } = await throwAwayStore()
  // Removed after the apps have closed: teardowns run in reverse.
  t.teardown(remove)
  const apps = [await buildListening(t, { chat: options }), await build(t, { chat: options })] as const
  const [alice, bob, cid] = users(apps[0], 'alice', 'bob', 'cid') as [User, User, User]
  const id = await alice.group([bob, cid])
  const other = await alice.group([bob])
  const message = await alice.send(id, 'x')
  const devices = [bob, user(apps[1], 'bob')]
  const stream = await bob.stream(t)
  const answers = await Promise.all(devices.flatMap((device, d) => [
    ...Array.from({ length: 10 }, async (_, n) => await set(device, id, d === 0 ? { notify: n % 2 === 0 ? 'none' : 'mentions' } : { favourite: n % 2 === 0 })),
    ...Array.from({ length: 5 }, async (_, n) => await set(device, other, { mutedUntil: n % 2 === d ? 'forever' : null })),
    set(device, id, { archived: true }),
    set(device, id, { unreadFrom: 1 }),
    device.mark(message, 'read'),
    set(device, id, { unreadFrom: 1 }),
    read(device, id, 1)
  ]) as Array<Promise<OwnStateAnswer>>)
  const version = await versionOf(bob)
  const versions = answers.flatMap(({ userVersion }) => userVersion ?? [])
  t.equal(new Set(versions).has(0), false)
  t.ok(Math.max(...versions) <= version)
  const after = await set(bob, other, { favourite: true })
  t.equal(after.userVersion, version + 1)
  // Events of the other app do not reach this one on SQLite, which two processes may share, but not their fleeting events.
  const told = (await heard(stream, version + 1)).map(({ userVersion }) => Number(userVersion))
  t.equal(new Set(told).size, told.length, 'no number twice')
  const { me } = await bob.conversation(id)
  t.match(me, { archived: true, mutedUntil: null })
  t.ok(['none', 'mentions'].includes(me.notify))

  await Promise.all([set(devices[0]!, id, { notify: 'all', unreadFrom: 1 }), set(devices[1]!, id, { favourite: true, mutedUntil: 'forever' })])
  t.match(await stateOf(bob, id), { notify: 'all', unreadFrom: 1, favourite: true, mutedUntil: 'forever' }, 'different fields do not overwrite each other')
})

test('one device, many changes at once: each answer has its own number, and the stream has all of them', async t => {
  const { bob, id } = await scene(t, buildListening)
  const stream = await bob.stream(t)
  const answers = await Promise.all(Array.from({ length: 20 }, async (_, n) => await set(bob, id, { favourite: n % 2 === 0 })))
  const numbers = Array.from({ length: 20 }, (_, index) => index + 1)
  t.strictSame(answers.map(({ userVersion }) => userVersion).sort((a, b) => a - b), numbers)
  t.strictSame((await heard(stream, 20)).map(({ userVersion }) => userVersion), numbers)
})

test('commands of one transaction: what the earlier ones did counts', async t => {
  const { app, alice, bob, id } = await scene(t)
  await alice.send(id, 'x')
  const { chat } = app
  const [, marked, , cleared, , again, archived] = await Promise.all([
    chat.sendMessage('alice', { conversationId: id, text: 'y' }),
    chat.updateOwnState('bob', id, { unreadFrom: 2 }),
    chat.markRead('bob', id, { seq: 2 }),
    chat.updateOwnState('bob', id, {}),
    chat.sendMessage('alice', { conversationId: id, text: 'z' }),
    chat.updateOwnState('bob', id, { unreadFrom: 1 }),
    chat.updateOwnState('bob', id, { archived: true })
  ])
  t.match(marked, { unreadFrom: 2, userVersion: 1 })
  t.match(cleared, { unreadFrom: null, userVersion: 2 })
  t.match(again, { unreadFrom: 1, unreadCount: 3, userVersion: 3 })
  t.match(archived, { archived: true, userVersion: 4 })
  t.match(await stateOf(bob, id), { unreadFrom: 1, archived: true })
  const left = await Promise.allSettled([
    chat.updateOwnState('bob', id, { favourite: true }),
    chat.removeParticipant('bob', id, 'bob'),
    chat.updateOwnState('bob', id, { notify: 'none' }),
    chat.addParticipants('alice', id, { participantIds: ['bob'] })
  ])
  t.strictSame(left.map(({ status }) => status), ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  t.strictSame(await stateOf(bob, id), DEFAULT_STATE)
  const deleted = await Promise.allSettled([
    chat.updateOwnState('bob', id, { favourite: true }), chat.deleteConversation('alice', id), chat.updateOwnState('bob', id, { favourite: false })
  ])
  t.strictSame(deleted.map(({ status }) => status), ['fulfilled', 'fulfilled', 'rejected'])
  t.equal(await versionOf(bob), 7, 'the deletion counts, too')
})

// ---- A model

interface Mine extends Pick<OwnState, 'favourite' | 'notify' | 'unreadFrom'> {
  joinedSeq: number
  readSeq: number
  muted: boolean
  archivedSeq: number | null
}
interface Said { id: string, sender: string, mentioned: ReadonlySet<string>, everybody: boolean, deleted: boolean }

/** A conversation by the rules. `messages[seq - 1]` is the message `seq`. */
interface Model { id: string, messages: Said[], of: Map<string, Mine> }

const joined = (seq: number): Mine =>
  ({ joinedSeq: seq, readSeq: seq, muted: false, archivedSeq: null, favourite: false, notify: 'all', unreadFrom: null })

function seen ({ messages, of }: Model, userId: string) {
  const mine = of.get(userId)!
  const archived = mine.archivedSeq !== null && (mine.muted || messages.length <= mine.archivedSeq)
  const from = Math.min(mine.readSeq + 1, mine.unreadFrom ?? Infinity)
  const behind = messages.map((message, index) => ({ ...message, seq: index + 1 }))
    .filter(({ seq, sender, deleted }) => seq >= from && sender !== userId && !deleted)
  const mentions = behind.filter(({ seq, mentioned, everybody }) => seq > mine.joinedSeq && (everybody || mentioned.has(userId)))
  const { favourite, notify, unreadFrom } = mine
  const me = { mutedUntil: mine.muted ? 'forever' : null, archived, favourite, notify, unreadFrom, draft: null }
  return { me, unreadCount: behind.length, unreadMentionCount: mentions.length }
}

/** Numbers that look random, and are the same in each run (mulberry32). */
function numbersFrom (seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

test('any sequence of steps by several devices ends as a simple model says', async t => {
  const app = await build(t)
  const below = numbersFrom(20_261_127)
  const pick = <T>(of: readonly T[]): T => of[below(of.length)]!
  const ids = [uniqueId(), uniqueId(), uniqueId()]
  const people = new Map(ids.map(id => [id, user(app, id)]))
  const versions = new Map(ids.map(id => [id, 0]))
  for (const who of people.values()) await who.arrive()
  const models: Model[] = []
  for (let n = 0; n < 3; n++) {
    const id = await people.get(ids[0]!)!.group([people.get(ids[1]!)!, people.get(ids[2]!)!])
    models.push({ id, messages: [], of: new Map(ids.map(userId => [userId, joined(0)])) })
  }

  async function step (): Promise<void> {
    const model = pick(models)
    const userId = pick([...model.of.keys()])
    const who = people.get(userId)!
    const mine = model.of.get(userId)!
    const { id, messages } = model
    const clear = (): void => {
      if (mine.unreadFrom !== null) versions.set(userId, versions.get(userId)! + 1)
      mine.unreadFrom = null
    }
    switch (below(12)) {
      case 0: case 1: case 2: {
        const mentioned = new Set(ids.filter(() => below(4) === 0).filter(other => model.of.has(other)))
        const everybody = below(6) === 0
        const { id: messageId } = await who.send(id, 'x', { mentions: [...mentioned].map(userId => ({ userId })), mentionsAll: everybody })
        messages.push({ id: messageId, sender: userId, mentioned, everybody, deleted: false })
        return
      }
      case 3: {
        const seq = below(messages.length + 2)
        await read(who, id, seq)
        mine.readSeq = Math.max(mine.readSeq, Math.min(seq, messages.length))
        clear()
        return
      }
      case 4: {
        const seq = 1 + below(messages.length + 1)
        const message = messages[seq - 1]
        if (message === undefined || message.sender === userId) return
        const status = pick(['read', 'delivered'] as const)
        await who.mark(message, status)
        if (status === 'delivered') return
        mine.readSeq = Math.max(mine.readSeq, seq)
        clear()
        return
      }
      case 5: {
        const message = pick(messages)
        if (message?.sender !== userId) return
        await who.ok('DELETE', `/api/chat/messages/${message.id}`)
        message.deleted = true
        return
      }
      case 6: {
        const owner = people.get(ids[0]!)!
        const other = pick(ids.slice(1))
        if (model.of.has(other)) {
          await owner.ok('DELETE', `/api/chat/conversations/${id}/participants/${other}`)
          model.of.delete(other)
        } else {
          await owner.ok('POST', `/api/chat/conversations/${id}/participants`, { participantIds: [other] })
          model.of.set(other, joined(messages.length))
        }
        return
      }
      default: {
        const body: Record<string, unknown> = {}
        // Archiving again moves the mark, which counts although it does not show.
        const shown = (): string => JSON.stringify({ ...seen(model, userId).me, mark: body.archived === true ? mine.archivedSeq : null })
        if (below(3) === 0) body.mutedUntil = pick(['forever', null])
        if (below(3) === 0) body.archived = pick([true, false])
        if (below(3) === 0) body.favourite = pick([true, false])
        if (below(3) === 0) body.notify = pick(['all', 'mentions', 'none'])
        if (below(3) === 0) body.unreadFrom = messages.length === 0 ? null : pick([null, 1 + below(messages.length)])
        const before = shown()
        if (body.mutedUntil !== undefined) mine.muted = body.mutedUntil !== null
        if (body.archived !== undefined) mine.archivedSeq = body.archived === true ? messages.length : null
        if (body.favourite !== undefined) mine.favourite = body.favourite as boolean
        if (body.notify !== undefined) mine.notify = body.notify as OwnState['notify']
        if (body.unreadFrom !== undefined) mine.unreadFrom = body.unreadFrom as number | null
        const { me, ...counts } = seen(model, userId)
        if (shown() !== before) versions.set(userId, versions.get(userId)! + 1)
        t.strictSame(await set(who, id, body), { conversationId: id, ...me, ...counts, userVersion: versions.get(userId) }, JSON.stringify(body))
      }
    }
  }

  async function compare (userId: string): Promise<void> {
    const who = people.get(userId)!
    const due = models.filter(({ of }) => of.has(userId)).map(model => ({ id: model.id, ...seen(model, userId) }))
    const { conversations } = await who.ok<ConversationPage>('GET', '/api/chat/conversations?archived=all')
    const got = conversations.map(({ id, me, unreadCount, unreadMentionCount }) => ({ id, me, unreadCount, unreadMentionCount }))
    t.strictSame(got.sort(byId), due.sort(byId))
    const counted = due.filter(({ me }) => !me.archived)
    const loud = counted.filter(({ me }) => me.mutedUntil === null)
    const sum = (counts: number[]): number => counts.reduce((total, count) => total + count, 0)
    t.match(await totals(who), {
      userVersion: versions.get(userId),
      unreadCount: sum(loud.map(({ unreadCount }) => unreadCount)),
      unreadConversations: loud.filter(({ unreadCount, me }) => unreadCount > 0 || me.unreadFrom !== null).length,
      unreadMentionCount: sum(counted.filter(({ me }) => me.mutedUntil === null || me.notify !== 'none').map(({ unreadMentionCount }) => unreadMentionCount))
    })
    const [archived, favourite, isUnread] = [pick(['false', 'true', 'all']), pick([true, false]), pick([true, false])]
    const fits = due.filter(({ me, unreadCount }) => (archived === 'all' || String(me.archived) === archived) && (!favourite || me.favourite) &&
      (!isUnread || unreadCount > 0 || me.unreadFrom !== null))
    const query = `?archived=${archived}${favourite ? '&favourite=true' : ''}${isUnread ? '&unread=true' : ''}`
    t.strictSame((await listed(who, query)).sort(), fits.map(({ id }) => id).sort())
  }

  for (let n = 0; n < 250; n++) {
    await step()
    if (n % 5 === 0) await compare(pick(ids))
  }
  for (const userId of ids) await compare(userId)
})

const byId = (a: { id: string }, b: { id: string }): number => a.id < b.id ? -1 : 1
