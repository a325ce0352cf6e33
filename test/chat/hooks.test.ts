import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { ChatAppOptions } from '../../app.js'
import { refuse, type Attempt, type BeforeHook } from '../../index.js'
import type { OwnMessage as Message } from '../../schemas/messages.js'
import { buildWithFiles, post } from '../files/upload.js'
import { eventually } from '../hub/eventually.js'
import { build, call, user, users, written, type Answer, type User } from '../helper.js'

const KEY = `csk_${'k'.repeat(40)}`
const THUMB = '%F0%9F%91%8D'

/** An app with a hook that can be replaced, and keeps what it was asked. */
async function hooked (t: Test, options: Partial<ChatAppOptions> = {}) {
  const asked: Attempt[] = []
  const hook: { answer: BeforeHook } = { answer: () => undefined }
  const before: BeforeHook = async attempt => {
    asked.push(attempt)
    return await hook.answer(attempt)
  }
  const { app } = await buildWithFiles(t, { chat: { hooks: { before }, serviceKeys: `orders:${KEY}`, ...options } })
  const [alice, bob, carol] = users(app, 'alice', 'bob', 'carol') as [User, User, User]
  for (const each of [alice, bob, carol]) await each.arrive()
  return { app, alice, bob, carol, asked, hook }
}

const send = async (who: User, conversationId: string, more: object = {}): Promise<Answer<Message>> =>
  await who.call('POST', '/api/chat/messages', { conversationId, text: 'hi', ...more })

await t.test('every action is asked about, once, with what is about to happen', async t => {
  const { app, alice, bob, carol, asked } = await hooked(t)
  const id = await alice.group([bob], 'Group')
  const direct = await alice.direct(bob)
  const { id: messageId } = await alice.send(id, 'hello', { clientId: 'c1' })
  await alice.ok('PATCH', `/api/chat/messages/${messageId}`, { text: 'Hello' })
  await bob.ok('PUT', `/api/chat/messages/${messageId}/reactions/${THUMB}`)
  await alice.ok('PATCH', `/api/chat/conversations/${id}`, { title: 'A group' })
  await alice.ok('POST', `/api/chat/conversations/${id}/participants`, { participantIds: ['carol'] })
  await alice.ok('DELETE', `/api/chat/conversations/${id}/participants/carol`)
  await alice.ok('DELETE', `/api/chat/messages/${messageId}`)
  t.equal((await post(alice, 'text', 'a.txt')).status, 201)

  t.strictSame(asked.map(({ action }) => action), ['conversation.create', 'conversation.create', 'message.send', 'message.edit', 'reaction.add',
    'conversation.update', 'participants.add', 'participants.remove', 'message.delete', 'file.upload'])
  t.strictSame(asked.map(({ input }) => input), [
    { type: 'group', title: 'Group', participantIds: ['bob'] }, { type: 'direct', userId: 'bob' }, { conversationId: id, text: 'hello', clientId: 'c1' },
    { messageId, text: 'Hello' }, { messageId, emoji: '👍' }, { title: 'A group' }, { participantIds: ['carol'] }, { userId: 'carol' }, { messageId },
    { name: 'a.txt', type: 'text/plain', size: 4 }
  ])
  t.ok(asked.every(({ via, userId, action }) => via === 'http' && userId === (action === 'reaction.add' ? 'bob' : 'alice')))
  const { conversation, input } = asked[2]!
  t.match(conversation, { id, type: 'group', title: 'Group', participants: [{ userId: 'alice' }, { userId: 'bob' }] })
  t.notOk(['me', 'unreadCount', 'unreadMentionCount'].some(name => name in conversation!))
  t.notOk('myReactions' in asked[3]!.conversation!.lastMessage!)
  t.equal(asked[0]!.conversation, null)
  t.ok(Object.isFrozen(input) && Object.isFrozen(asked[0]!.input.participantIds))

  asked.length = 0
  t.equal((await send(alice, id, { text: 'hello', clientId: 'c1' })).status, 200, 'a repetition')
  t.match(await send(alice, id, { text: 'other', clientId: 'c1' }), { status: 409 })
  await alice.direct(bob)
  await alice.ok('POST', `/api/chat/conversations/${id}/participants`, { participantIds: ['carol'] })
  asked.length = 0
  await carol.ok('DELETE', `/api/chat/conversations/${id}/participants/carol`)
  await bob.ok('DELETE', `/api/chat/messages/${messageId}/reactions/${THUMB}`)
  t.strictSame(asked, [], 'nor who leaves, nor a direct conversation that exists')

  await app.chat.sendMessage('alice', { conversationId: direct, text: 'in process' })
  await app.chat.as('alice').sendMessage({ conversationId: direct, text: 'bound' })
  await call(app, 'POST', '/api/chat/messages', { headers: { authorization: `Bearer ${KEY}`, 'x-chat-user': 'alice' }, payload: { conversationId: direct, text: 'x' } })
  t.strictSame(asked.map(({ via }) => via), ['process', 'process', 'service:orders'])
  t.match(await app.chat.as('bob').messages(direct), { messages: [{ text: 'in process' }, { text: 'bound' }, { text: 'x' }] })
  await eventually(async () => (await app.chat.as('bob').search({ q: 'bound' })).results.length === 1)
  t.equal((await app.chat.as('bob').files.upload({ name: 'b.txt', content: Buffer.from('b') })).name, 'b.txt')
})

/** What the host is asked about each call that writes. A call that is not here is one that was forgotten. */
const asks: Record<string, Attempt['action'] | null> = {
  sendMessage: 'message.send',
  editMessage: 'message.edit',
  deleteMessage: 'message.delete',
  appendToMessage: null,
  finishMessage: 'message.edit',
  stopMessage: null,
  addReaction: 'reaction.add',
  removeReaction: null,
  createConversation: 'conversation.create',
  updateConversation: 'conversation.update',
  deleteConversation: null,
  addParticipants: 'participants.add',
  removeParticipant: 'participants.remove',
  changeRole: null,
  uploadFile: 'file.upload',
  deleteFile: null,
  getFileUrls: null,
  updateMe: null,
  updateOwnState: null,
  setOnlineStatus: null,
  setMessageStatus: null,
  markRead: null,
  setTyping: null,
  blockUser: null,
  unblockUser: null
}

await t.test('each call that writes says what the host is asked about it', async t => {
  const app = await build(t)
  const { body: { paths } } = await call<{ paths: Record<string, Record<string, { operationId: string, responses: Record<string, { description: string }> }>> }>(app, 'GET', '/api/openapi.json')
  const writing = Object.entries(paths).flatMap(([path, methods]) => path.startsWith('/api/chat/') ? Object.entries(methods).filter(([method]) => method !== 'get').map(([, operation]) => operation) : [])
  t.strictSame(writing.map(({ operationId }) => operationId).sort(), Object.keys(asks).sort())
  for (const { operationId, responses } of writing) t.equal(responses['403']?.description.includes('REFUSED') === true, asks[operationId] !== null, `${operationId}: REFUSED in its errors`)
})

await t.test('what is refused: in which order, and with which words', async t => {
  const { app, alice, bob, carol, asked, hook } = await hooked(t)
  const id = await alice.group([bob])
  const { id: messageId } = await alice.send(id, 'hello')
  const { id: deleted } = await alice.send(id, 'gone')
  await alice.ok('DELETE', `/api/chat/messages/${deleted}`)
  hook.answer = () => refuse('Not \ud800 now', { code: 'CLOSED' })
  const before = await written(app)

  const refusals: Array<[Promise<Answer<object>>, number, string]> = [
    [send(alice, id), 403, 'REFUSED'],
    [send(alice, id, { replyToId: 'nope' }), 403, 'REFUSED'],
    [alice.call('PATCH', `/api/chat/messages/${deleted}`, { text: 'x' }), 403, 'REFUSED'],
    [alice.call('POST', '/api/chat/conversations', { type: 'group', participantIds: ['nobody'] }), 403, 'REFUSED'],
    [bob.call('PUT', `/api/chat/messages/${messageId}/reactions/${THUMB}`), 403, 'REFUSED'],
    [alice.call('DELETE', `/api/chat/messages/${messageId}`), 403, 'REFUSED'],
    [alice.call('PATCH', `/api/chat/conversations/${id}`, { title: 'x' }), 403, 'REFUSED'],
    [alice.call('POST', `/api/chat/conversations/${id}/participants`, { participantIds: ['carol'] }), 403, 'REFUSED'],
    [alice.call('DELETE', `/api/chat/conversations/${id}/participants/bob`), 403, 'REFUSED'],
    [post(alice, 'text', 'a.txt'), 403, 'REFUSED'],
    // Before the host is asked
    [send(alice, id, { text: '' }), 400, 'VALIDATION_FAILED'],
    [send(carol, id), 404, 'NOT_FOUND'],
    [carol.call('PATCH', `/api/chat/messages/${messageId}`, { text: 'x' }), 404, 'NOT_FOUND'],
    [bob.call('PATCH', `/api/chat/messages/${messageId}`, { text: 'x' }), 403, 'FORBIDDEN'],
    [bob.call('POST', `/api/chat/conversations/${id}/participants`, { participantIds: ['carol'] }), 403, 'FORBIDDEN']
  ]
  for (const [index, [answer, status, code]] of refusals.entries()) {
    const { status: answered, body } = await answer as Answer
    t.strictSame([answered, body.code], [status, code], String(index))
    if (code === 'REFUSED') t.strictSame(body, { statusCode: 403, code, error: 'Forbidden', message: 'Not \ufffd now', hookCode: 'CLOSED' })
  }
  t.equal(asked.filter(({ userId }) => userId === 'carol').length, 0)
  t.strictSame(await written(app), before, 'nothing is written')
  await t.rejects(app.chat.sendMessage('alice', { conversationId: id, text: 'x' }), { code: 'REFUSED', hookCode: 'CLOSED' })

  hook.answer = () => { throw refuse('😀'.repeat(600)) }
  t.match((await send(alice, id)).body, { code: 'REFUSED', message: '😀'.repeat(500), hookCode: undefined }, 'thrown')
  t.throws(() => refuse('x', { code: 'lower case' }), TypeError)
})

await t.test('what is changed: judged again, and told from what was sent', async t => {
  const { app, alice, bob, hook } = await hooked(t)
  const id = await alice.group([bob])
  hook.answer = ({ input }) => ({ ...input, text: 'clean', metadata: { checked: true } })
  const first = await send(alice, id, { text: 'dirty', clientId: 'c1' })
  t.match(first, { status: 201, body: { text: 'clean', metadata: { checked: true }, editedAt: null } })
  t.match(await send(alice, id, { text: 'dirty', clientId: 'c1' }), { status: 200, body: { id: first.body.id, text: 'clean' } }, 'what was sent, again')
  for (const text of ['clean', 'else']) t.match(await send(alice, id, { text, clientId: 'c1' }), { status: 409 })
  const rich = await send(alice, id, { text: 'dirty', metadata: { a: 1 }, clientId: 'c2' })
  t.match(await send(alice, id, { text: 'dirty', metadata: { a: 1 }, clientId: 'c2' }), { status: 200, body: { id: rich.body.id } })
  t.match(await alice.call('PATCH', `/api/chat/messages/${first.body.id}`, { text: 'dirty' }), { status: 200, body: { text: 'clean' } })
  t.match(await send(alice, id, { text: 'dirty', clientId: 'c1' }), { status: 200 }, 'after an edit, too')

  hook.answer = ({ input }) => ({ ...input, name: '../safe.txt', emoji: '👎', title: 'By the host' })
  t.match((await post(alice, 'text', 'a.txt')).body, { name: 'safe.txt' })
  t.match(await bob.call('PUT', `/api/chat/messages/${first.body.id}/reactions/${THUMB}`), { body: { emoji: '👎' } })
  t.match(await alice.call('PATCH', `/api/chat/conversations/${id}`, { title: 'x' }), { body: { title: 'By the host' } })

  const before = await written(app)
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  for (const nonsense of ['text', true, 7, [], {}, { conversationId: id, text: 7 }, { conversationId: id, text: 'x', mentions: [{ userId: 'bob', start: 0, length: 9 }] }, cycle, () => 1, 1n]) {
    hook.answer = () => nonsense
    t.match(await send(alice, id), { status: 500, body: { code: 'INTERNAL_ERROR' } })
  }
  hook.answer = () => ({ name: 'x', type: 'image/png', size: 4 })
  t.equal((await post(alice, 'text', 'a.txt')).status, 500)
  t.strictSame(await written(app), before, 'nothing is written')
  hook.answer = () => null
  t.equal((await send(alice, id)).status, 201, 'null is nothing')
})

await t.test('a hook that throws or hangs', async t => {
  const bad: BeforeHook[] = [() => { throw new Error('broken') }, async () => await Promise.reject(new Error('broken')), async () => await new Promise(() => {})]
  for (const [hookFailure, status] of [['refuse', 503], ['allow', 201]] as const) {
    const { alice, bob, hook } = await hooked(t, { hookFailure, hookTimeoutMs: 20 })
    const id = await alice.direct(bob).catch(async () => await alice.group([bob]))
    for (const answer of bad) {
      hook.answer = answer
      t.match(await send(alice, id), status === 503 ? { status, body: { code: 'UNAVAILABLE' } } : { status })
    }
  }
})

await t.test('users whom only the host knows', async t => {
  const asked: string[][] = []
  const host = new Map([['dora', 'Dora D.'], ['emil', 'Emil'], ['fay', 'Fay'], ['gus', 'Gus']])
  let trouble = false
  const app = await build(t, {
    chat: {
      serviceKeys: `orders:${KEY}`,
      hooks: {
        async resolveUsers (ids) {
          asked.push(ids)
          if (trouble) throw new Error('broken')
          return [...ids.flatMap(id => host.has(id) ? [{ userId: id, displayName: host.get(id)!, avatar: 'https://example.com/a.png' }] : []), { userId: 'intruder', displayName: 'x' }]
        }
      }
    }
  })
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  await bob.arrive()
  const group = await alice.ok<{ id: string }>('POST', '/api/chat/conversations', { type: 'group', participantIds: ['bob', 'emil'] })
  t.match(await alice.call('POST', '/api/chat/conversations', { type: 'direct', userId: 'dora' }), { status: 201, body: { participants: [{}, { displayName: 'Dora D.', avatar: 'https://example.com/a.png' }] } })
  t.equal((await alice.call('POST', `/api/chat/conversations/${group.id}/participants`, { participantIds: ['fay', 'dora'] })).status, 200)
  t.match(await call(app, 'GET', '/api/chat/me', { headers: { authorization: `Bearer ${KEY}`, 'x-chat-user': 'gus' } }), { status: 200, body: { displayName: 'Gus' } })
  t.strictSame(asked, [['emil'], ['dora'], ['fay'], ['gus']], 'only those who are unknown')
  t.match(await alice.call('POST', '/api/chat/conversations', { type: 'direct', userId: 'nobody' }), { status: 422, body: { code: 'UNKNOWN_USER' } })
  await t.rejects(app.chat.administration.user('intruder'), { code: 'NOT_FOUND' }, 'who was not asked for')
  asked.length = 0
  t.equal((await bob.call('POST', `/api/chat/conversations/${group.id}/participants`, { participantIds: ['zoe'] })).status, 403)
  t.strictSame(asked, [], 'not for who has no right')
  trouble = true
  t.match(await alice.call('POST', '/api/chat/conversations', { type: 'direct', userId: 'zoe' }), { status: 503, body: { code: 'UNAVAILABLE' } })
  t.match(await user(app, 'dora', { name: 'Dora' }).call('GET', '/api/chat/me'), { body: { displayName: 'Dora' } }, 'a token says it better')
})

await t.test('by URL', async t => {
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
  const requests: Array<{ headers: IncomingHttpHeaders, body: string }> = []
  let answer: (response: ServerResponse) => void = response => { response.end('{"allow":true}') }
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => { body += String(chunk) }).once('end', () => {
      requests.push({ headers: request.headers, body })
      answer(response)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/before`
  let log = ''
  const app: FastifyInstance = await build(t, {
    log: new Writable({ write (chunk, _encoding, done) { log += String(chunk); done() } }),
    chat: { beforeHookUrl: url, beforeHookSecret: secret, hookTimeoutMs: 1500 }
  })
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  const id = await alice.group([bob])
  t.equal((await send(alice, id)).status, 201)
  const { headers, body } = requests.at(-1)!
  // Standard Webhooks, without the code under test
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`
  t.equal(headers['webhook-signature'], `v1,${createHmac('sha256', Buffer.alloc(32, 7)).update(signed).digest('base64')}`)
  t.ok(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000) < 60)
  t.match(JSON.parse(body), { action: 'message.send', userId: 'alice', via: 'http', conversation: { id }, input: { text: 'hi' } })
  t.strictSame(Object.keys(JSON.parse(body) as object), ['action', 'userId', 'via', 'conversation', 'input'])

  const say = (value: unknown, status = 200) => (response: ServerResponse) => { response.writeHead(status).end(typeof value === 'string' ? value : JSON.stringify(value)) }
  answer = say({ allow: true, input: { conversationId: id, text: 'clean' } })
  t.match(await send(alice, id), { status: 201, body: { text: 'clean' } })
  answer = say({ allow: false, reason: 'Closed', code: 'CLOSED' })
  t.match(await send(alice, id), { status: 403, body: { code: 'REFUSED', message: 'Closed', hookCode: 'CLOSED' } })
  answer = say({ allow: true, input: 'nonsense' })
  t.match(await send(alice, id), { status: 500 })
  t.match(log, 'hooks.before returned an invalid input for message.send', 'the host finds it in the log')
  const before = requests.length
  const failures: Array<typeof answer> = [
    say({ allow: true }, 500), say({ allow: true }, 201), say('no JSON'), say({}), say('null'), say({ allow: 'yes' }), say({ allow: false }), say({ allow: false, reason: 'x', code: 'low' }),
    response => { response.writeHead(302, { location: url }).end() }, say(`{"allow":true,"x":"${'x'.repeat(3_000_000)}"}`), response => { response.destroy() }
  ]
  for (const [index, failure] of failures.entries()) {
    answer = failure
    t.match(await send(alice, id), { status: 503, body: { code: 'UNAVAILABLE' } }, String(index))
  }
  t.match(log, 'hooks.before for message.send failed')
  t.equal(requests.length - before, failures.length, 'one attempt each, and no redirect is followed')
  answer = () => { /* never */ }
  t.match(await send(alice, id), { status: 503 })
  t.notOk(log.includes(secret.slice(6)), 'the secret is not logged')

  for (const chat of [{ beforeHookUrl: url }, { beforeHookSecret: secret }, { beforeHookUrl: 'ftp://x', beforeHookSecret: secret }, { beforeHookUrl: url, beforeHookSecret: 'whsec_c2hvcnQ=' },
    { beforeHookUrl: url, beforeHookSecret: secret, hooks: { before: () => {} } }, { hookFailure: 'maybe' }, { hookTimeoutMs: 0 }, { hooks: { before: 'x' } }, { hooks: { resolveUsers: [] } }]) {
    const { message } = await build(t, { chat: chat as Partial<ChatAppOptions> }).then(() => new Error('taken'), (error: Error) => error)
    t.match(message, /^fastify-sse-chat: the option/)
    t.notOk(message.includes(secret))
  }
})
