import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { OwnMessage as Message, ReceiptPage } from '../../schemas/messages.js'
import { deleteMovesBefore, MARK_SLOT_MS } from '../../store/moves.js'
import { Rng } from '../chaos/rng.js'
import type { StreamEvent } from '../event-reader.js'
import { build, listen, travel, user, users, written, type User } from '../helper.js'

const path = (id: string, rest = ''): string => `/api/chat/conversations/${id}${rest}`
const read = async (who: User, id: string, seq: number): Promise<void> => { await who.ok('PUT', path(id, '/read'), { seq }) }
const receipts = async (who: User, { id }: Pick<Message, 'id'>, query = ''): Promise<ReceiptPage> =>
  await who.ok('GET', `/api/chat/messages/${id}/receipts${query}`)
const isoTime = (ms: number): string => new Date(ms).toISOString()

/** The lists as ids, with times relative to an instant. */
function brief ({ read, delivered, pending }: ReceiptPage, since: number): unknown {
  const entry = ({ user, at }: ReceiptPage['read'][number]): [string, number | null] => [user.userId, at === null ? null : Date.parse(at) - since]
  return { read: read.map(entry), delivered: delivered.map(entry), pending: pending.map(({ userId }) => userId) }
}

/** The clock of what is shown stands still, and goes on when the test says so: by less than an hour, in which tokens expire. */
function stopClock ({ chatDatabase: { clock } }: FastifyInstance): { now: number } {
  const stopped = { now: clock.now() }
  clock.now = () => stopped.now
  return stopped
}

interface Row { userId: string, kind: string, seq: number, at: number }

async function rowsOf ({ chatDatabase }: FastifyInstance, conversationId: string): Promise<Row[]> {
  const rows = await chatDatabase.read.query<{ user_id: string, kind: string, seq: number, at: bigint | number }>(
    `SELECT m.user_id, m.kind, m.seq, m.at FROM chat_marks m JOIN chat_conversations c ON c.num = m.conversation WHERE c.id = ?
     ORDER BY m.user_id, m.kind, m.seq`, conversationId)
  return rows.map(({ user_id: userId, kind, seq, at }) => ({ userId, kind, seq: Number(seq), at: Number(at) }))
}

const prune = async ({ chatDatabase: { transaction, dialect } }: FastifyInstance, before: number, step = 500): Promise<number> =>
  await transaction(async sql => await deleteMovesBefore(sql, dialect, before, step))

const app = await build(t)
const clock = stopClock(app)

/** A new group, at the beginning of a slot. */
async function scene (ids = ['ann', 'bob', 'cid', 'dan']) {
  clock.now = Math.ceil(clock.now / MARK_SLOT_MS + 2) * MARK_SLOT_MS
  const everybody = users(app, ...ids)
  const [ann, bob, cid, dan] = everybody as [User, User, User, User]
  const id = await ann.group(everybody.slice(1))
  return { ann, bob, cid, dan, everybody, id }
}

await t.test('who has read a message, who has got it, who has not, and when', async t => {
  const { ann, bob, cid, dan, id } = await scene()
  const start = clock.now
  const [one, two] = [await ann.send(id, 'one'), await ann.send(id, 'two')]
  clock.now = start + 10_000
  await cid.mark(two, 'delivered')
  clock.now = start + 20_000
  await bob.mark(one, 'read')
  clock.now = start + 30_000
  await cid.mark(one, 'read')
  const person = (userId: string) => ({ userId, displayName: userId, avatar: null, isBot: false })
  t.strictSame(await receipts(ann, one), {
    messageId: one.id,
    counts: { read: 2, delivered: 0, pending: 1 },
    read: [{ user: person('bob'), at: isoTime(start + 20_000) }, { user: person('cid'), at: isoTime(start + 30_000) }],
    delivered: [],
    pending: [person('dan')],
    nextCursor: null
  }, 'each stands in one list, the furthest')
  t.strictSame(brief(await receipts(ann, two), start), { read: [], delivered: [['cid', 10_000]], pending: ['bob', 'dan'] })
  for (const who of [bob, cid, dan]) t.strictSame(await receipts(who, one), await receipts(ann, one), 'any participant may ask')

  clock.now = start + 40_000
  await read(bob, id, 2)
  t.strictSame(brief(await receipts(dan, two), start), { read: [['bob', 40_000]], delivered: [['cid', 10_000]], pending: ['dan'] })
  t.strictSame(brief(await receipts(dan, one), start), { read: [['bob', 20_000], ['cid', 30_000]], delivered: [], pending: ['dan'] }, 'a later mark changes no time')
  await ann.ok('DELETE', `/api/chat/messages/${one.id}`)
  t.strictSame(brief(await receipts(ann, one), start), { read: [['bob', 20_000], ['cid', 30_000]], delivered: [], pending: ['dan'] }, 'a deleted message answers, too')
  t.strictSame(await app.chat.receipts('bob', two.id), await receipts(bob, two), 'in process')
})

await t.test('the time is that of the statusUpdate', async t => {
  const [ann, bob] = users(app, 'ann', 'bob') as [User, User]
  const id = await ann.direct(bob)
  await listen(app)
  const message = await ann.send(id, 'x')
  const stream = await ann.stream(t, { conversationId: id })
  clock.now += 60_000
  await bob.mark(message, 'delivered')
  clock.now += 60_000
  await bob.mark(message, 'read')
  const [delivered, seen] = await stream.durable(2) as [StreamEvent, StreamEvent]
  t.match(await receipts(ann, message), { read: [{ user: { userId: 'bob' }, at: seen.data.timestamp }], delivered: [], pending: [] })
  t.not(seen.data.timestamp, delivered.data.timestamp)
})

await t.test('one row for each move: a read that pulls delivered writes one, what moves nothing none', async t => {
  const { ann, bob, cid, id } = await scene()
  const sent = [await ann.send(id, '1'), await ann.send(id, '2'), await bob.send(id, '3'), await ann.send(id, '4')] as const
  t.strictSame(await rowsOf(app, id), [], 'sending and joining write none')
  const start = clock.now += 10_000
  await bob.mark(sent[1], 'read')
  await bob.mark(sent[1], 'read')
  await bob.mark(sent[0], 'delivered')
  await read(bob, id, 1)
  t.strictSame(await rowsOf(app, id), [{ userId: 'bob', kind: 'read', seq: 2, at: start }])
  clock.now += 10_000
  await bob.mark(sent[3], 'delivered')
  await read(bob, id, 3)
  t.match(await rowsOf(app, id), [
    { kind: 'delivered', seq: 4, at: start + 10_000 }, { kind: 'read', seq: 2, at: start }, { kind: 'read', seq: 3 }
  ], 'past one\'s own messages, too')
  await cid.mark(sent[3], 'delivered')
  clock.now += 10_000
  await cid.mark(sent[0], 'read')
  t.strictSame(brief(await receipts(ann, sent[3]), start), { read: [], delivered: [['bob', 10_000], ['cid', 10_001]], pending: ['dan'] })
})

await t.test('moves in one slot of the clock share a row: a time is up to 5 s late, never early', async t => {
  const { ann, bob, id } = await scene()
  const start = clock.now += 10_000
  const sent: Message[] = []
  for (let index = 0; index < 20; index++) sent.push(await ann.send(id, `m${index}`))
  const marked = new Map<Message, number>()
  for (const [index, message] of sent.entries()) {
    clock.now = start + 20_000 + 100 * index
    await bob.mark(message, 'delivered')
    await bob.mark(message, 'read')
    marked.set(message, clock.now)
  }
  t.same((await rowsOf(app, id)).map(({ kind, seq }) => [kind, seq]), [['delivered', 20], ['read', 20]], 'many marks, one row for each kind')
  for (const [message, at] of marked) {
    const { read } = await receipts(ann, message)
    const late = Date.parse(read[0]!.at!) - at
    t.ok(late >= 0 && late < MARK_SLOT_MS, `${late} ms late`)
  }
  clock.now = start + 24_990
  await read(bob, id, (await ann.send(id, 'last of the slot')).seq)
  t.equal((await rowsOf(app, id)).length, 2)
  clock.now = start + 25_000
  await read(bob, id, (await ann.send(id, 'first of the next')).seq)
  t.equal((await rowsOf(app, id)).length, 3, 'the next slot is another row')
})

await t.test('two devices mark at once, and in one transaction: one row for each kind', async t => {
  const { ann, bob, cid, id } = await scene()
  const sent = await Promise.all(Array.from({ length: 30 }, async (_, index) => await ann.send(id, `m${index}`)))
  clock.now += 10_000
  const at = clock.now
  await Promise.all(sent.flatMap(message => [
    app.chat.markMessage('bob', message.id, { status: 'delivered' }), app.chat.markMessage('bob', message.id, { status: 'read' }), app.chat.markRead('cid', id, { seq: message.seq })
  ]))
  const rows = await rowsOf(app, id)
  t.ok(rows.length <= 3)
  t.match(rows.filter(({ kind }) => kind === 'read'), [{ userId: 'bob', seq: 30 }, { userId: 'cid', seq: 30 }])
  for (const message of sent) {
    const { counts, read } = await receipts(ann, message)
    t.strictSame(counts, { read: 2, delivered: 0, pending: 1 })
    t.ok(read.every(entry => Date.parse(entry.at!) >= at))
  }
  clock.now += 10_000
  const late = await ann.send(id, 'late')
  await Promise.all([bob, bob, cid, cid].map(async who => await who.mark(late, 'read')))
  t.equal((await rowsOf(app, id)).length, rows.length + 2)
})

await t.test('only who was there when it was sent and still is', async t => {
  const { ann, bob, cid, dan, id } = await scene()
  const start = clock.now
  const one = await ann.send(id, 'one')
  const eve = await user(app, 'eve').arrive()
  await ann.ok('POST', path(id, '/participants'), { participantIds: ['eve'] })
  t.strictSame(await rowsOf(app, id), [], 'joining sets marks without a row')
  clock.now = start + 10_000
  await bob.mark(one, 'read')
  await dan.mark(one, 'read')
  t.strictSame(brief(await receipts(eve, one), start), { read: [['bob', 10_000], ['dan', 10_001]], delivered: [], pending: ['cid'] }, 'eve was not there, but may ask')
  await cid.ok('DELETE', path(id, '/participants/cid'))
  await dan.ok('DELETE', path(id, '/participants/dan'))
  t.match(await receipts(ann, one), { counts: { read: 1, delivered: 0, pending: 0 } }, 'who left is in none')
  await ann.ok('POST', path(id, '/participants'), { participantIds: ['dan'] })
  t.match(await receipts(ann, one), { counts: { read: 1, delivered: 0, pending: 0 } }, 'who comes back was not there before')
  clock.now = start + 30_000
  const two = await ann.send(id, 'two')
  t.strictSame(brief(await receipts(ann, two), start), { read: [], delivered: [], pending: ['bob', 'dan', 'eve'] })
  await dan.mark(two, 'read')
  t.match(brief(await receipts(ann, two), start), { read: [['dan', 30_001]], pending: ['bob', 'eve'] })
  const mine = await bob.send(id, 'of bob')
  t.match(brief(await receipts(ann, mine), start), { pending: ['ann', 'dan', 'eve'] }, 'its sender is in no list')
  await ann.ok('DELETE', path(id))
  t.strictSame(await rowsOf(app, id), [], 'a conversation that is deleted leaves none')
})

await t.test('pages run through the three lists together', async t => {
  const ids = Array.from({ length: 12 }, (_, index) => `u${String(index).padStart(2, '0')}`)
  const { ann, everybody, id } = await scene(['ann', ...ids])
  const message = await ann.send(id, 'x')
  const start = clock.now
  // In the reverse order of their ids, so that the order of time shows.
  for (const [index, who] of everybody.slice(1, 9).reverse().entries()) {
    clock.now = start + 10_000 * (index + 1)
    await who.mark(message, index < 5 ? 'read' : 'delivered')
  }
  const all = await receipts(ann, message)
  t.strictSame(brief(all, start), {
    read: [['u07', 10_000], ['u06', 20_000], ['u05', 30_000], ['u04', 40_000], ['u03', 50_000]],
    delivered: [['u02', 60_000], ['u01', 70_000], ['u00', 80_000]],
    pending: ['u08', 'u09', 'u10', 'u11']
  })
  t.strictSame([all.counts, all.nextCursor], [{ read: 5, delivered: 3, pending: 4 }, null])
  for (const limit of [1, 3, 5, 7, 12, 1000]) {
    const got: Pick<ReceiptPage, 'read' | 'delivered' | 'pending'> = { read: [], delivered: [], pending: [] }
    let cursor = ''
    for (let pages = 1; ; pages++) {
      const page = await receipts(ann, message, `?limit=${limit}${cursor}`)
      t.strictSame(page.counts, all.counts, 'the counts are always complete')
      got.read.push(...page.read)
      got.delivered.push(...page.delivered)
      got.pending.push(...page.pending)
      if (page.nextCursor === null) {
        t.equal(pages, Math.ceil(12 / limit))
        break
      }
      t.equal(page.read.length + page.delivered.length + page.pending.length, limit)
      cursor = `&cursor=${page.nextCursor}`
    }
    t.strictSame(got, { read: all.read, delivered: all.delivered, pending: all.pending })
  }
})

await t.test('a hundred unless the query says more', async t => {
  const ids = Array.from({ length: 120 }, (_, index) => `u${index}`)
  const { ann, id } = await scene(['ann', ...ids])
  const message = await ann.send(id, 'x')
  await app.chat.markRead('u7', id, { seq: 1 })
  const first = await receipts(ann, message)
  t.match(first, { counts: { read: 1, pending: 119 }, read: { length: 1 }, pending: { length: 99 } })
  t.match(await receipts(ann, message, `?cursor=${first.nextCursor!}`), { read: [], pending: { length: 20 }, nextCursor: null })
  t.match(await receipts(ann, message, '?limit=1000'), { pending: { length: 119 }, nextCursor: null })
})

await t.test('what is refused', async t => {
  const { ann, bob, cid, id } = await scene()
  const eve = await user(app, 'eve').arrive()
  const [one, two] = [await ann.send(id, 'one'), await ann.send(id, 'two')]
  await cid.ok('DELETE', path(id, '/participants/cid'))
  const before = await written(app)
  const url = `/api/chat/messages/${one.id}/receipts`
  for (const query of ['?limit=0', '?limit=1001', '?limit=x', '?limit=1.5', '?limit=', `?cursor=${'x'.repeat(1025)}`]) {
    t.match(await ann.call('GET', url + query), { status: 400, body: { code: 'VALIDATION_FAILED' } }, query)
  }
  const { nextCursor } = await receipts(ann, one, '?limit=1')
  const ofAnother = Buffer.from(JSON.stringify(['reaction', 0, 0, 'ann'])).toString('base64url')
  for (const cursor of ['nonsense', ofAnother, 'e30']) {
    t.match(await ann.call('GET', `${url}?cursor=${cursor}`), { status: 400, body: { code: 'INVALID_CURSOR' } }, cursor)
  }
  t.match(await ann.call('GET', `/api/chat/messages/${two.id}/receipts?cursor=${nextCursor!}`), { status: 400, body: { code: 'INVALID_CURSOR' } }, 'of another message')
  t.match(await bob.call('GET', `${url}?cursor=${nextCursor!}`), { status: 200 }, 'another participant goes on')
  for (const who of [eve, cid]) {
    const expected = await who.call('GET', '/api/chat/messages/0123/receipts')
    t.match(expected, { status: 404, body: { code: 'NOT_FOUND' } })
    t.strictSame((await who.call('GET', url)).body, expected.body, `${who.id}: stranger, former participant and unknown id answer alike`)
    t.match(await who.call('GET', `${url}?cursor=nonsense`), { status: 400 }, 'what the request alone decides comes first')
  }
  t.strictSame(await written(app), before, 'asking writes nothing')
})

await t.test('times are forgotten after a while, in small steps, and what was marked later keeps its own', async t => {
  const { ann, bob, cid, id } = await scene()
  const start = clock.now
  const sent: Message[] = []
  for (let index = 0; index < 6; index++) {
    sent.push(await ann.send(id, `m${index}`))
    clock.now = start + 10_000 * (index + 1)
    await bob.mark(sent[index]!, 'read')
    if (index < 2) await cid.mark(sent[index]!, 'delivered')
  }
  const last = start + 60_000
  await prune(app, start)
  t.equal(await prune(app, start + 10_000, 2), 0, 'what is not older stays')
  t.equal(await prune(app, start + 40_000, 2), 2)
  t.equal(await prune(app, start + 40_000, 2), 2)
  t.equal(await prune(app, start + 40_000, 2), 1)
  t.equal(await prune(app, start + 40_000, 2), 0)
  const seenBy = async (message: Message): Promise<unknown> => brief(await receipts(ann, message), start)
  t.strictSame(await seenBy(sent[0]!), { read: [['bob', null]], delivered: [['cid', null]], pending: ['dan'] }, 'who is still known, when is not')
  t.strictSame(await seenBy(sent[2]!), { read: [['bob', null]], delivered: [], pending: ['cid', 'dan'] }, 'not the time of a later mark')
  t.strictSame(await seenBy(sent[3]!), { read: [['bob', 40_000]], delivered: [], pending: ['cid', 'dan'] })
  t.strictSame(await seenBy(sent[5]!), { read: [['bob', 60_000]], delivered: [], pending: ['cid', 'dan'] })
  await prune(app, last + 1)
  t.strictSame(await rowsOf(app, id), [], 'no row is left of who marks nothing more')
  clock.now = last + 100_000
  const late = await ann.send(id, 'late')
  await bob.mark(late, 'read')
  await cid.mark(late, 'delivered')
  t.strictSame(await seenBy(sent[5]!), { read: [['bob', null]], delivered: [['cid', 160_002]], pending: ['dan'] }, 'null, not the time of the next mark')
  t.strictSame(await seenBy(sent[0]!), { read: [['bob', null]], delivered: [['cid', null]], pending: ['dan'] })
  t.strictSame(await seenBy(late), { read: [['bob', 160_001]], delivered: [['cid', 160_002]], pending: ['dan'] })
})

await t.test('housekeeping forgets them after receiptDays', async t => {
  const travelled = travel(t)
  const app = await build(t, { chat: { receiptDays: 0.0001 } })
  const [ann, bob] = users(app, 'ann', 'bob') as [User, User]
  const id = await ann.direct(bob)
  const message = await ann.send(id, 'x')
  await bob.mark(message, 'read')
  t.type((await receipts(ann, message)).read[0]!.at, 'string')
  for (let tries = 0; tries < 50 && (await rowsOf(app, id)).length > 0; tries++) await travelled.advance(8000)
  t.match(await receipts(ann, message), { read: [{ user: { userId: 'bob' }, at: null }] })
})

await t.test('random marks agree with a simple model', async t => {
  const { everybody, id } = await scene(['ann', 'bob', 'cid', 'dan'])
  const { chat, chatDatabase } = app
  const rng = new Rng('seen by')
  interface Move { to: number, at: number | null }
  interface Member { joined: number, delivered: number, read: number, moves: { delivered: Move[], read: Move[] } }
  const members = new Map<string, Member>(everybody.map(({ id }) => [id, { joined: 0, delivered: 0, read: 0, moves: { delivered: [], read: [] } }]))
  const sent: Array<{ id: string, sender: string }> = []
  let forgotten = 0
  let [times, unknown] = [0, 0]
  /** The instant of the newest event of the conversation: the next one is later. */
  let logged = 0
  const instant = (isEvent: boolean): number => {
    const now = Math.max(clock.now, logged + 1)
    if (isEvent) logged = now
    return now
  }
  const slot = (at: number | null): number => at === null ? -1 : Math.floor(at / MARK_SLOT_MS)

  /** When a member's mark moved past a message: the last move in the slot of the first one there. */
  function timeOf (moves: Move[], seq: number): number | null {
    const first = moves.find(({ to }) => to >= seq)
    if (first?.at == null) return null
    const after = moves.slice(moves.indexOf(first))
    const end = after.findIndex(({ at }) => slot(at) !== slot(first.at))
    const { at } = after.slice(0, end === -1 ? undefined : end).at(-1)!
    return at! < forgotten ? null : at
  }

  async function check (): Promise<void> {
    const seq = rng.integer(1, sent.length)
    const message = sent[seq - 1]!
    const lists = { read: [] as Array<[string, number | null]>, delivered: [] as Array<[string, number | null]>, pending: [] as string[] }
    for (const [userId, { joined, delivered, read, moves }] of members) {
      if (userId === message.sender || joined >= seq) continue
      if (read >= seq) lists.read.push([userId, timeOf(moves.read, seq)])
      else if (delivered >= seq) lists.delivered.push([userId, timeOf(moves.delivered, seq)])
      else lists.pending.push(userId)
    }
    const asker = [...members.keys()][0]!
    const order = (a: [string, number | null], b: [string, number | null]): number => (a[1] ?? 0) - (b[1] ?? 0) || (a[0] < b[0] ? -1 : 1)
    const expected = { read: lists.read.sort(order), delivered: lists.delivered.sort(order), pending: lists.pending.sort() }
    for (const [, at] of [...expected.read, ...expected.delivered]) if (at === null) unknown++; else times++
    const found = brief(await chat.receipts(asker, message.id), 0)
    if (JSON.stringify(found) !== JSON.stringify(expected)) t.strictSame(found, expected, `message ${seq}, after ${sent.length}`)
  }

  function moved (member: Member, kind: 'delivered' | 'read', to: number, at: number | null): void {
    member.moves[kind].push({ to, at })
    if (kind === 'read') member.read = to
    member.delivered = Math.max(member.delivered, to)
  }

  for (let step = 0; step < 400; step++) {
    clock.now += rng.pick([1, 100, 700, 2000, 9000])
    const userId = rng.pick([...members.keys()])
    const member = members.get(userId)!
    const seq = rng.integer(1, Math.max(1, sent.length))
    const action = rng.integer(0, 19)
    if (action < 6 || sent.length === 0) {
      sent.push({ id: (await chat.sendMessage(userId, { conversationId: id, text: 'x' })).message.id, sender: userId })
      instant(true)
    } else if (action < 10) {
      const { changed } = await chat.markRead(userId, id, { seq })
      if (changed !== (seq > member.read)) t.fail(`step ${step}`)
      if (changed) {
        const isTold = sent.slice(member.read, seq).some(({ sender }) => sender !== userId)
        moved(member, 'read', seq, instant(isTold))
      }
    } else if (action < 16 && sent[seq - 1]!.sender !== userId) {
      const kind = action < 13 ? 'read' : 'delivered'
      const { changed } = await chat.markMessage(userId, sent[seq - 1]!.id, { status: kind })
      if (changed) moved(member, kind, seq, instant(true))
    } else if (action === 16 && members.size > 2 && userId !== 'ann') {
      await chat.removeParticipant(userId, id, userId)
      members.delete(userId)
      instant(true)
    } else if (action === 17 && members.size < 4) {
      const back = everybody.map(({ id }) => id).find(one => !members.has(one))!
      await chat.addParticipants('ann', id, { participantIds: [back] })
      members.set(back, { joined: sent.length, delivered: sent.length, read: sent.length, moves: { delivered: [], read: [] } })
      instant(true)
    } else if (action === 18 && seq > member.delivered) {
      // A node of an earlier version moves both marks, without a row.
      await chatDatabase.transaction(async sql => { await sql.execute('UPDATE chat_participants SET read_seq = ?, delivered_seq = ? WHERE user_id = ?', seq, seq, userId) })
      member.moves.delivered.push({ to: seq, at: null })
      moved(member, 'read', seq, null)
    } else if (action === 19) {
      const before = clock.now - rng.integer(50_000, 600_000)
      while (await prune(app, before, 3) > 0) { /* The next step. */ }
      forgotten = Math.max(forgotten, before)
    }
    await check()
  }
  const rows = (await rowsOf(app, id)).filter(({ at }) => at > 0)
  const slots = new Set(rows.map(({ userId, kind, at }) => `${userId} ${kind} ${slot(at)}`))
  t.equal(slots.size, rows.length, 'one row for each slot')
  t.ok(times > 50 && unknown > 50, `${times} times, ${unknown} that are not known`)
})
