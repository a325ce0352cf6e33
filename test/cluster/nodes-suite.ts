import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { ChatAppOptions } from '../../app.js'
import { CHANGES_AT_ONCE } from '../../chat/online-news.js'
import { deleteMovesBefore } from '../../store/moves.js'
import { ServerProcess } from '../chaos/server-process.js'
import { mint } from '../chaos/token.js'
import { blockAgainstSends } from '../block-race.js'
import type { EventReader, StreamEvent } from '../event-reader.js'
import { baseUrl, buildListening, token, travel, user, type User } from '../helper.js'
import { eventually } from '../hub/eventually.js'
import { Installation, skipWithout, type Kind } from './installation.js'

interface Scene {
  installation: Installation
  apps: FastifyInstance[]
  /** The same user, who calls this node. */
  at(node: number, id: string): User
}

async function scene (t: Test, kind: Kind, count = 2, chat: Partial<ChatAppOptions> = {}): Promise<Scene> {
  const installation = await Installation.create(t, kind)
  const apps = await Promise.all(Array.from({ length: count }, async () => await buildListening(t, { chat: { ...installation.options, ...chat } })))
  const known = new Map<string, User>()
  return {
    installation,
    apps,
    at (node, id) {
      const key = `${node}.${id}`
      const found = known.get(key) ?? user(apps[node]!, id)
      known.set(key, found)
      return found
    }
  }
}

/** All that holds on one node holds on several, whichever node a request or a stream reaches. */
export async function nodesSuite (kind: Kind): Promise<void> {
  t.setTimeout(240_000)
  await t.test(`nodes on PostgreSQL, told by ${kind}`, { skip: await skipWithout(kind) }, async t => {
    t.test('events reach streams on other nodes at once', async t => {
      const { at } = await scene(t, kind, 3)
      const id = await at(0, 'ann').group([at(0, 'bob'), at(0, 'cid')])
      const streams = [await at(1, 'bob').stream(t, { conversationId: id }), await at(2, 'cid').stream(t), await at(0, 'bob').stream(t)]
      await sleep(200)
      const took: number[] = []
      for (let n = 0; n < 5; n++) {
        const sent = performance.now()
        const message = await at(0, 'ann').send(id, '👋'.repeat(4000))
        for (const stream of streams) t.same((await stream.next('message')).data.id, message.id)
        took.push(performance.now() - sent)
      }
      t.ok(Math.min(...took) < 800, 'faster than the sweep')

      await at(1, 'bob').typing(id, true)
      t.equal((await streams[1]!.next('typing')).data.isTyping, true)
    })

    t.test('devices of one user mark on several nodes, while times are forgotten', async t => {
      const { apps, at } = await scene(t, kind)
      const id = await at(0, 'ann').group([at(0, 'bob')])
      const sent = await Promise.all(Array.from({ length: 20 }, async () => await at(0, 'ann').send(id, 'x')))
      const [{ chatDatabase: { clock, dialect, transaction } }] = apps as [FastifyInstance]
      const start = clock.now()
      const forget = async (): Promise<number> => await transaction(async sql => await deleteMovesBefore(sql, dialect, start + 3_600_000, 3))
      await Promise.all(sent.flatMap(message => [at(0, 'bob').mark(message, 'delivered'), at(1, 'bob').mark(message, 'read'), forget()]))
      await forget()
      const last = await at(1, 'ann').send(id, 'last')
      await Promise.all([at(0, 'bob').mark(last, 'read'), at(1, 'bob').mark(last, 'read')])
      const timeOf = async ({ id }: { id: string }): Promise<string | null | undefined> => (await apps[0]!.chat.receipts('ann', id)).read[0]?.at
      for (const message of sent) t.equal(await timeOf(message), null, 'not that of the last mark')
      t.ok(Date.parse((await timeOf(last))!) >= start)
    })

    t.test('a profile reaches contacts and one\'s own streams on other nodes', async t => {
      const { at } = await scene(t, kind, 2, { accounts: true })
      const id = await at(0, 'ann').direct(at(0, 'bob'))
      const lone = await at(0, 'lone').arrive()
      const streams = [await at(1, 'ann').stream(t), await at(1, 'ann').stream(t, { conversationId: id }), await at(1, 'bob').stream(t), await at(1, 'lone').stream(t)]
      // As large as a profile can be.
      const profile = { displayName: '🙂'.repeat(128), avatar: `https://example.com/${'x'.repeat(2028)}`, metadata: { a: 'x'.repeat(4088) } }
      // A bus tells only those who listen already.
      const heard = async (): Promise<boolean> => {
        for (const who of [at(0, 'ann'), lone]) {
          await who.ok('PATCH', '/api/chat/me', { metadata: null })
          await who.ok('PATCH', '/api/chat/me', profile)
        }
        const fits = async (stream: EventReader): Promise<unknown> => await stream.until(({ type, data }) => type === 'userUpdated' && data.metadata !== null, 1000)
        return await Promise.all(streams.map(fits)).then(() => true, () => false)
      }
      await eventually(heard)
      for (const [index, userId] of ['ann', 'ann', 'ann', 'lone'].entries()) {
        t.match(streams[index]!.events.findLast(({ type, data }) => type === 'userUpdated' && data.metadata !== null)?.data, { userId, ...profile })
      }
    })

    t.test('one\'s own state reaches one\'s streams on other nodes, and nobody else; two nodes change it at once', async t => {
      const { at } = await scene(t, kind)
      const id = await at(0, 'ann').group([at(0, 'bob')])
      const other = await at(0, 'ann').group([at(0, 'bob')])
      await at(0, 'bob').send(id, 'x')
      const own = [await at(1, 'ann').stream(t), await at(1, 'ann').stream(t, { conversationId: id }), await at(0, 'ann').stream(t)]
      const others = [await at(1, 'bob').stream(t), await at(1, 'ann').stream(t, { conversationId: other })]
      const set = async (node: number, body: object, where = id): Promise<Record<string, unknown>> =>
        await at(node, 'ann').ok('PATCH', `/api/chat/conversations/${where}/me`, body)
      // A bus tells only those who listen already.
      const heard = async (): Promise<boolean> => {
        await set(0, { favourite: true })
        await set(0, { favourite: false })
        const fits = async (stream: EventReader): Promise<unknown> => await stream.until(({ type }) => type === 'conversationState', 1000)
        return await Promise.all(own.map(fits)).then(() => true, () => false)
      }
      await eventually(heard)
      const before = Number((await at(0, 'ann').ok('GET', '/api/chat/me')).userVersion)
      const answers = await Promise.all([0, 1].flatMap(node => Array.from({ length: 10 }, async (_, n) =>
        await set(node, node === 0 ? { favourite: n % 2 === 0 } : { notify: n % 2 === 0 ? 'none' : 'all' }))))
      t.match(await set(0, { unreadFrom: 1 }), { userVersion: before + 21, favourite: false, notify: 'all', unreadFrom: 1 }, 'each change counts once')
      t.strictSame(answers.map(({ userVersion }) => Number(userVersion)).sort((a, b) => a - b), Array.from({ length: 20 }, (_, n) => before + n + 1))
      await at(1, 'ann').ok('PUT', `/api/chat/conversations/${id}/read`, { seq: 1 })
      for (const stream of own) await stream.until(({ type, data }) => type === 'conversationState' && data.userVersion === before + 22 && data.unreadFrom === null)
      const last = await at(0, 'ann').send(other, 'last')
      await others[0]!.until(({ data }) => data.id === last.id)
      for (const stream of others) t.notOk(stream.events.some(({ type }) => type === 'conversationState'))
    })

    t.test('reactions reach streams on other nodes, and two nodes count them right', async t => {
      const { at } = await scene(t, kind)
      const id = await at(0, 'ann').group([at(0, 'bob'), at(0, 'cid')])
      const message = await at(0, 'ann').send(id, 'x')
      const stream = await at(1, 'cid').stream(t, { conversationId: id })
      const path = `/api/chat/messages/${message.id}/reactions/${encodeURIComponent('👍')}`
      const answers = await Promise.all(['ann', 'bob', 'cid'].flatMap(who => [0, 1].map(async node => await at(node, who).ok<{ changed: boolean }>('PUT', path))))
      t.equal(answers.filter(({ changed }) => changed).length, 3, 'the same user on two nodes at once is one event')
      t.strictSame((await stream.durable(3)).map(({ type, data }) => [type, data.count]), [1, 2, 3].map(count => ['reaction', count]))
    })

    t.test('a new conversation appears on all-conversations streams elsewhere, a large one too', async t => {
      const { at } = await scene(t, kind)
      const others = Array.from({ length: 40 }, (_, index) => at(0, `other-${index}-${'x'.repeat(100)}`))
      for (const person of [...others, at(0, 'bob')]) await person.arrive()
      const stream = await at(1, 'bob').stream(t)
      await sleep(200)
      const direct = await at(0, 'ann').direct(at(0, 'bob'))
      t.equal((await stream.next('conversationCreated')).data.conversationId, direct)
      const group = await at(0, 'ann').group([...others, at(0, 'bob')])
      t.equal((await stream.next('conversationCreated')).data.conversationId, group)
      await at(0, 'ann').send(group, 'hello all')
      t.equal((await stream.next('message')).data.text, 'hello all')
    })

    t.test('who is blocked hears on no node that the other is online, and a block is told to one\'s own streams on all', async t => {
      const { at, installation } = await scene(t, kind)
      const ann = at(0, 'ann')
      const [direct, group] = [await ann.direct(at(0, 'bob')), await ann.group([at(0, 'bob'), at(0, 'cid')])]
      const say = async (isOnline: boolean): Promise<void> => { await ann.ok('PUT', '/api/chat/status/online', { isOnline }) }
      // As ids they would be more than a bus takes in one message.
      const others = Array.from({ length: 300 }, (_, index) => `other-${index}-${'x'.repeat(110)}`)
      await say(false)
      const [all, one, cids, own] = [
        await at(1, 'bob').stream(t), await at(1, 'bob').stream(t, { conversationId: direct }), await at(1, 'cid').stream(t),
        await at(1, 'ann').stream(t, { conversationId: direct })
      ]
      const told = (stream: EventReader): unknown[] =>
        stream.events.filter(({ type, data }) => type === 'onlineStatus' && data.userId === 'ann').map(({ data }) => [data.isOnline, data.lastSeen !== null])
      // A bus tells only those who listen already.
      const isOnline = ({ type, data }: StreamEvent): boolean => type === 'onlineStatus' && data.userId === 'ann' && data.isOnline === true
      await eventually(async () => {
        await say(false)
        await say(true)
        return await cids.until(isOnline, 1000).then(() => true, () => false)
      })
      for (const stream of [all, one]) await stream.until(isOnline)
      const before = [all, one, cids].map(stream => told(stream).length)
      for (const other of others) {
        await installation.database.query('INSERT INTO chat_blocks (user_id, blocked_id, created_at) VALUES (\'ann\', $1, 1)', [other])
      }
      await ann.ok('PUT', '/api/chat/blocks/bob')
      t.match((await own.next('blocked')).data, { userId: 'bob', blocked: true, userVersion: 1 })
      await say(false)
      await say(true)
      await cids.until(isOnline)
      await at(0, 'cid').send(group, 'marker')
      await all.next('message')
      t.strictSame(told(all).slice(before[0]), [[false, false]], 'told once that she is offline')
      t.strictSame(told(one).slice(before[1]), [[false, false]])
      t.strictSame(told(cids).slice(before[2]), [[false, true], [true, true]], 'others are told')
      for (const id of [direct, group]) {
        t.match((await at(1, 'bob').conversation(id)).participants.find(({ userId }) => userId === 'ann'), { isOnline: false, lastSeen: null })
      }
      await at(1, 'ann').ok('DELETE', '/api/chat/blocks/bob')
      await say(false)
      t.match((await one.until(({ data }) => data.userId === 'ann' && data.lastSeen !== null)).at(-1)!.data, { isOnline: false }, 'the next change is told again')
    })

    t.test('who is blocked on one node before another has announced that the user hides is told, once', async t => {
      const { at } = await scene(t, kind)
      const ann = at(0, 'ann')
      const group = await ann.group([at(0, 'bob'), at(0, 'cid'), at(0, 'dan')])
      const streams = [await at(0, 'bob').stream(t), await at(0, 'cid').stream(t), await at(0, 'dan').stream(t)]
      await ann.stream(t)
      const clock = travel(t)
      for (let n = 0; n < CHANGES_AT_ONCE; n++) await ann.ok('PUT', '/api/chat/status/online', { isOnline: n % 2 === 1 })
      await ann.ok('PUT', '/api/chat/status/online', { isOnline: false })
      await at(1, 'ann').ok('PUT', '/api/chat/blocks/bob')
      await ann.ok('PUT', '/api/chat/blocks/cid')
      await clock.advance(2500)
      const { id } = await at(0, 'dan').send(group, 'marker', { clientId: 'marker' })
      await ann.ok('PUT', `/api/chat/conversations/${group}/read`, { seq: 1 })
      for (const [index, stream] of streams.entries()) {
        const events = await stream.until(({ type, data }) => type === 'statusUpdate' && data.messageId === id)
        const told = events.filter(({ type, data }) => type === 'onlineStatus' && data.userId === 'ann').map(({ data }) => data.isOnline)
        t.strictSame(told.slice(-2), [true, false], `stream ${index}`)
      }
    })

    t.test('a block on one node against fifty sends on another', async t => {
      const { at } = await scene(t, kind)
      await blockAgainstSends(t, at(0, 'ann'), at(1, 'bob'))
    })

    t.test('a block against the conversation that it forbids: one of the two comes first', async t => {
      const { at } = await scene(t, kind)
      for (let round = 0; round < 10; round++) {
        const [ann, bob] = [at(0, `ann${round}`), at(1, `bob${round}`)]
        await Promise.all([ann.arrive(), bob.arrive()])
        const creating = bob.call<{ id: string }>('POST', '/api/chat/conversations', { type: 'direct', userId: ann.id })
        const grouping = bob.call('POST', '/api/chat/conversations', { type: 'group', participantIds: [ann.id] })
        const sending = creating.then(async ({ status, body }) => status === 201
          ? await bob.call<{ seq: number }>('POST', '/api/chat/messages', { conversationId: body.id, text: 'x' })
          : undefined)
        await ann.ok('PUT', `/api/chat/blocks/${bob.id}`)
        const { conversations } = await ann.ok<{ conversations: unknown[] }>('GET', '/api/chat/conversations')
        const [created, grouped, sent] = await Promise.all([creating, grouping, sending])
        t.ok([201, 403].includes(created.status) && [201, 422].includes(grouped.status), `${created.status} ${grouped.status}`)
        t.ok(sent === undefined || [201, 403].includes(sent.status))
        t.same((await ann.ok<{ conversations: unknown[] }>('GET', '/api/chat/conversations')).conversations.length, conversations.length, 'nothing comes after the answer')
      }
    })

    t.test('online while a stream is open on any node', async t => {
      const { at } = await scene(t, kind)
      const clock = travel(t)
      const id = await at(0, 'ann').group([at(0, 'bob')])
      const watcher = await at(0, 'ann').stream(t, { conversationId: id })
      const [one, two] = [await at(0, 'bob').stream(t), await at(1, 'bob').stream(t)]
      t.match((await watcher.next('onlineStatus')).data, { userId: 'bob', isOnline: true })
      await one.close()
      await clock.advance(20_000)
      t.match(await at(1, 'ann').conversation(id), { participants: [{}, { userId: 'bob', isOnline: true }] })
      await two.close()
      await sleep(100)
      await clock.advance(20_000)
      t.match((await watcher.next('onlineStatus')).data, { userId: 'bob', isOnline: false })
      t.same(watcher.rest(), [])
    })

    t.test('a crashed node\'s users go offline within 60 s, and it may come back', async t => {
      const { at, installation } = await scene(t, kind, 1)
      const clock = travel(t)
      const id = await at(0, 'ann').group([at(0, 'bob')])
      const node = await ServerProcess.create({ ...installation.env, ACCOUNTS: 'off' })
      t.teardown(async () => { await node.dispose() })
      await node.start()
      const watcher = await at(0, 'ann').stream(t, { conversationId: id })
      // A bus tells only those who listen already
      let isTyping = false
      await eventually(async () => {
        isTyping = !isTyping
        await fetch(`${node.origin}/api/chat/typing`, {
          method: 'POST',
          headers: { authorization: `Bearer ${mint('bob')}`, 'content-type': 'application/json' },
          body: JSON.stringify({ conversationId: id, isTyping })
        })
        return watcher.events.some(({ type }) => type === 'typing')
      })
      const response = await fetch(`${node.origin}/api/sse`, { headers: { authorization: `Bearer ${mint('bob')}` } })
      t.equal(response.status, 200)
      t.match((await watcher.next('onlineStatus')).data, { userId: 'bob', isOnline: true })
      await node.kill()
      await response.body?.cancel().catch(() => {})
      await clock.advance(55_000)
      t.match((await watcher.next('onlineStatus')).data, { userId: 'bob', isOnline: false })
      const { rows } = await installation.database.query('SELECT * FROM chat_streams WHERE user_id = $1', ['bob'])
      t.same(rows, [])
    })

    t.test('a node that was taken for dead counts its streams again', async t => {
      const { at, installation } = await scene(t, kind, 1)
      const clock = travel(t)
      const id = await at(0, 'ann').group([at(0, 'bob')])
      const stream = await at(0, 'bob').stream(t)
      // The other nodes do this when a node was paused for a long time.
      await installation.database.query('DELETE FROM chat_nodes')
      await installation.database.query('UPDATE chat_users SET is_online = false WHERE id = $1', ['bob'])
      await clock.advance(8000)
      await eventually(async () => (await installation.database.query('SELECT 1 FROM chat_streams WHERE user_id = $1', ['bob'])).rowCount === 1)
      t.match(await at(0, 'ann').conversation(id), { participants: [{}, { userId: 'bob', isOnline: true }] })
      await stream.close()
      await eventually(async () => (await installation.database.query('SELECT 1 FROM chat_streams')).rowCount === 0)
    })

    t.test('a node that was taken for dead takes new streams at once', async t => {
      const { at, installation } = await scene(t, kind, 1)
      const before = await at(0, 'bob').stream(t)
      await installation.database.query('DELETE FROM chat_nodes')
      const streams = await Promise.all([1, 2, 3].map(async () => await at(0, 'ann').openStream(t)))
      t.same(await Promise.all(streams.map(async stream => (await stream.next()).type)), ['connected', 'connected', 'connected'])
      await eventually(async () => (await installation.database.query('SELECT 1 FROM chat_streams')).rowCount === 4)
      await before.close()
    })

    t.test('a node that was taken for dead counts no stream again that is just being closed', async t => {
      const { apps, at, installation } = await scene(t, kind, 1)
      const clock = travel(t)
      const stream = await at(0, 'bob').stream(t)
      await at(0, 'bob').call('GET', '/api/chat/me')
      const { chatDatabase } = apps[0]!
      const { transaction } = chatDatabase
      const gate = new EventEmitter()
      chatDatabase.transaction = async work => {
        chatDatabase.transaction = transaction
        gate.emit('closing')
        await once(gate, 'goOn')
        return await transaction(work)
      }
      const closing = once(gate, 'closing')
      await stream.close()
      await closing
      await installation.database.query('DELETE FROM chat_nodes')
      await clock.advance(8000)
      await eventually(async () => (await installation.database.query('SELECT 1 FROM chat_nodes')).rowCount === 1)
      gate.emit('goOn')
      // Written after everything that the node has counted.
      await at(0, 'cid').arrive()
      await eventually(async () => (await installation.database.query('SELECT 1 FROM chat_streams')).rowCount === 0)
    })

    t.test('typing ends when the typist\'s last stream closes, on another node', async t => {
      const { at } = await scene(t, kind)
      const id = await at(0, 'ann').group([at(0, 'bob')])
      const watcher = await at(0, 'ann').stream(t, { conversationId: id })
      const [all, one] = [await at(1, 'bob').stream(t), await at(0, 'bob').stream(t, { conversationId: id })]
      await at(0, 'bob').typing(id, true)
      t.match((await watcher.next('typing')).data, { userId: 'bob', isTyping: true })
      await one.close()
      await sleep(300)
      t.same(watcher.rest().filter(({ type }) => type === 'typing'), [], 'the other stream covers it')
      await all.close()
      const before = performance.now()
      t.match((await watcher.next('typing')).data, { userId: 'bob', isTyping: false })
      t.ok(performance.now() - before < 5000, 'before it lapses')
    })

    t.test('a user\'s streams count on all nodes together', async t => {
      const { at } = await scene(t, kind, 2, { maxStreamsPerUser: 3 })
      await at(0, 'ann').arrive()
      const streams = [await at(0, 'ann').stream(t), await at(1, 'ann').stream(t), await at(0, 'ann').stream(t)]
      const refused = await at(1, 'ann').openStream(t)
      t.same([refused.status, refused.headers['retry-after'] !== undefined], [429, true])
      await streams[0]!.close()
      await eventually(async () => (await at(1, 'ann').openStream(t)).status === 200)
    })

    t.test('who is removed loses the stream on every node, before any later event', async t => {
      const { at } = await scene(t, kind, 3)
      const id = await at(0, 'ann').group([at(0, 'bob'), at(0, 'cid')])
      const own = await at(1, 'bob').stream(t, { conversationId: id })
      const all = await at(2, 'bob').stream(t)
      await sleep(200)
      await at(0, 'ann').ok('DELETE', `/api/chat/conversations/${id}/participants/bob`)
      await Promise.all([at(0, 'ann').send(id, 'secret'), at(1, 'cid').typing(id, true), at(2, 'cid').send(id, 'secret, too')])
      const events = await own.until(({ type }) => type === 'disconnect')
      t.match(events.at(-1)!.data, { reason: 'removed', retryAfterMs: null })
      t.equal(events.at(-2)!.type, 'participantLeft')
      await own.ended
      t.equal((await all.next('participantLeft')).data.userId, 'bob')
      await sleep(1500)
      t.same(all.rest().filter(({ data }) => data.conversationId === id), [])
      t.notOk((own.raw + all.raw).includes('secret'))
    })

    t.test('a conversation is deleted on one node against traffic on both, with streams open on both', async t => {
      const { at, installation } = await scene(t, kind)
      const [id, other] = [await at(0, 'ann').group([at(0, 'bob'), at(0, 'cid')]), await at(0, 'ann').group([at(0, 'bob'), at(0, 'cid')])]
      const { rows: [row] } = await installation.database.query<{ num: number }>('SELECT num FROM chat_conversations WHERE id = $1', [id])
      const own = [await at(0, 'bob').stream(t, { conversationId: id }), await at(1, 'cid').stream(t, { conversationId: id })]
      const all = [await at(0, 'cid').stream(t), await at(1, 'bob').stream(t)]
      // A bus tells only those who listen already.
      await eventually(async () => {
        await at(0, 'ann').ok('PATCH', '/api/chat/conversations/' + id, { metadata: { at: performance.now() } })
        return await Promise.all(all.map(async stream => await stream.until(({ type }) => type === 'conversationUpdated', 1000))).then(() => true, () => false)
      })
      let began = (): void => {}
      const beginning = new Promise<void>(resolve => { began = resolve })
      const calls = Promise.all(Array.from({ length: 60 }, async (_, n) => {
        const who = at(n % 2, ['ann', 'bob', 'cid'][n % 3]!)
        if (n > 10) await beginning
        const { status, body } = await who.call<{ id: string }>('POST', '/api/chat/messages', { conversationId: id, text: `n${n}`, mentionsAll: true })
        began()
        const more = status === 201 ? [(await who.call('PUT', `/api/chat/messages/${body.id}/reactions/%F0%9F%91%8D`)).status, (await who.call('PUT', `/api/chat/conversations/${id}/read`, { seq: 1 })).status] : []
        return [status, ...more]
      }))
      await beginning
      t.equal((await at(0, 'ann').call('DELETE', `/api/chat/conversations/${id}`)).status, 204)
      for (const node of [0, 1]) t.equal((await at(node, 'bob').call('POST', '/api/chat/messages', { conversationId: id, text: 'late' })).status, 404, 'on each node from the answer on')
      t.strictSame((await calls).flat().filter(status => ![200, 201, 404].includes(status)), [])
      for (const stream of own) {
        t.match((await stream.until(({ type }) => type === 'disconnect')).at(-1)!.data, { reason: 'removed', retryAfterMs: null })
        await stream.ended
      }
      await at(1, 'ann').send(other, 'goes on')
      for (const stream of all) {
        await stream.until(({ data }) => data.text === 'goes on')
        const types = stream.events.filter(({ data }) => data.conversationId === id).map(({ type }) => type)
        t.equal(types.indexOf('conversationDeleted'), types.length - 1, 'told once, and nothing more of it')
      }
      const { rows: tables } = await installation.database.query<{ table_name: string }>(
        'SELECT table_name FROM information_schema.columns WHERE table_schema = current_schema() AND column_name = \'conversation\'')
      t.ok(tables.length > 5)
      for (const { table_name: table } of tables) {
        // The search index follows the log.
        await eventually(async () => (await installation.database.query(`SELECT 1 FROM ${table} WHERE conversation = $1`, [row!.num])).rowCount === 0)
      }
    })

    t.test('a token is renewed for a stream on another node', async t => {
      const { apps, at } = await scene(t, kind)
      const soon = Math.floor(Date.now() / 1000) + 5
      const short = user(apps[0]!, 'ann')
      short.token = token({ sub: 'ann', exp: soon })
      const stream = await short.openStream(t)
      const { streamId } = (await stream.next('connected')).data as { streamId: string }
      const other = await short.stream(t)
      const renewal = await at(1, 'ann').ok('POST', `/api/sse/${streamId}/token`)
      t.ok(Date.parse(renewal['expiresAt'] as string) > Date.now() + 60_000)
      t.equal((await at(1, 'bob').call('POST', `/api/sse/${streamId}/token`)).status, 404)
      t.equal((await at(1, 'ann').call('POST', '/api/sse/unknown/token')).status, 404)
      t.match((await other.next('disconnect')).data, { reason: 'token_expired', retryAfterMs: 0 })
      await sleep(500)
      const id = await at(1, 'bob').direct(at(1, 'ann'))
      t.equal((await stream.next('conversationCreated')).data.conversationId, id, 'the renewed one goes on')
    })

    t.test('a ticket is good once, on any node', async t => {
      const { at, apps } = await scene(t, kind)
      const { ticket } = await at(0, 'ann').ok<{ ticket: string }>('POST', '/api/sse/tickets', {})
      const open = async (node: number): Promise<number> => {
        const response = await fetch(`${baseUrl(apps[node]!)}/api/sse?ticket=${ticket}`)
        await response.body?.cancel()
        return response.status
      }
      t.same((await Promise.all([open(1), open(0), open(1)])).toSorted(), [200, 401, 401])
    })

    t.test('calls and failed logins count on all nodes together', async t => {
      const { at } = await scene(t, kind, 2, { rateLimitPerMinute: 10 })
      const statuses: number[] = []
      for (let call = 0; call < 12; call++) statuses.push((await at(call % 2, 'ann').call('GET', '/api/chat/me')).status)
      t.same(statuses, [...Array<number>(10).fill(200), 429, 429])
      t.equal((await at(0, 'bob').call('GET', '/api/chat/me')).status, 200)

      const { apps } = await scene(t, kind, 2, { accounts: true })
      const logins = await Promise.all(Array.from({ length: 12 }, async (_, index) =>
        (await apps[index % 2]!.inject({ method: 'POST', url: '/api/auth/login', payload: { userId: 'ann', password: 'wrong password' } })).statusCode))
      t.ok(logins.filter(status => status === 401).length >= 10)
      const { statusCode, headers } = await apps[1]!.inject({ method: 'POST', url: '/api/auth/login', payload: { userId: 'ann', password: 'wrong password' } })
      t.equal(statusCode, 429)
      t.ok(Number(headers['retry-after']) > 0)
    })

    t.test('while the bus is away events arrive within 2 s, and it comes back by itself', async t => {
      const { at, apps, installation } = await scene(t, kind)
      const id = await at(0, 'ann').group([at(0, 'bob')])
      const stream = await at(1, 'bob').stream(t, { conversationId: id })
      await sleep(200)
      const took: number[] = []
      for (let round = 0; round < 5; round++) {
        await installation.cutBus()
        const sent = performance.now()
        await at(0, 'ann').send(id, `round ${round}`)
        t.equal((await stream.next('message')).data.text, `round ${round}`)
        took.push(performance.now() - sent)
      }
      t.ok(Math.min(...took) < 2000)
      await eventually(async () => {
        const answers = await Promise.all(apps.map(async app => await app.inject('/health/ready')))
        return answers.every(({ statusCode }) => statusCode === 200)
      })
    })

    t.test('broken connections to PostgreSQL lose no write and no event', async t => {
      const { at, installation } = await scene(t, kind)
      const id = await at(0, 'ann').group([at(0, 'bob')])
      const stream = await at(1, 'bob').stream(t, { conversationId: id })
      const texts: string[] = []
      let unavailable = 0
      for (let n = 0; n < 60; n++) {
        if (n % 10 === 5) void installation.endConnections()
        const answer = await at(0, 'ann').call('POST', '/api/chat/messages', { conversationId: id, text: `n${n}`, clientId: `c${n}` })
        if (answer.status === 201) texts.push(`n${n}`)
        else unavailable++
      }
      t.ok(unavailable <= 6, 'only a commit that was under way is refused')
      const last = await at(0, 'ann').send(id, 'last')
      const events = await stream.until(({ data }) => data.id === last.id)
      const messages = events.filter(({ type }) => type === 'message')
      t.same(messages.map(({ data }) => data.seq), messages.map((_, index) => index + 1))
      for (const text of texts) t.ok(messages.some(({ data }) => data.text === text), text)
    })
  })
}
