import { randomBytes } from 'node:crypto'
import { test, type Test } from 'tap'
import { chatLog } from '../../chat/log.js'
import type { Message, MessageStatus } from '../../schemas/messages.js'
import { Queries } from '../../store/queries.js'
import { Rng } from '../chaos/rng.js'
import { build, buildListening, user, users, type User } from '../helper.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'

const RANKS: MessageStatus[] = ['sent', 'delivered', 'read']
const STEPS = 150

/** A period between a join and a leave. */
interface Stay { userId: string, delivered: number, read: number, over: boolean }

interface Sent { id: string, seq: number, senderId: string, deleted: boolean, others: Stay[] }

/** The contract's rules for a conversation, in as few words as possible. */
class Model {
  readonly messages: Sent[] = []
  readonly stays = new Map<string, Stay>()

  join (userId: string): void {
    this.stays.set(userId, { userId, delivered: this.messages.length, read: this.messages.length, over: false })
  }

  leave (userId: string): void {
    this.stays.get(userId)!.over = true
    this.stays.delete(userId)
  }

  send ({ id, seq, senderId }: Message): void {
    this.messages.push({ id, seq, senderId, deleted: false, others: [...this.stays.values()].filter(({ userId }) => userId !== senderId) })
  }

  mark (userId: string, seq: number, status: MessageStatus): void {
    const stay = this.stays.get(userId)!
    stay.delivered = Math.max(stay.delivered, seq)
    if (status === 'read') stay.read = Math.max(stay.read, seq)
  }

  status ({ seq, others }: Sent): MessageStatus {
    const rank = ({ delivered, read }: Stay): number => read >= seq ? 2 : delivered >= seq ? 1 : 0
    const present = others.filter(({ over }) => !over)
    if (present.length > 0) return RANKS[Math.min(...present.map(rank))]!
    return RANKS[Math.max(0, ...others.map(rank))]!
  }

  unread (userId: string): number {
    const { read } = this.stays.get(userId)!
    return this.messages.filter(({ seq, senderId, deleted }) => seq > read && senderId !== userId && !deleted).length
  }
}

async function compareWithModel (t: Test, seed: string, chat: Record<string, string>): Promise<void> {
  const app = await build(t, { chat })
  const { chat: service, chatDatabase } = app
  const rng = new Rng(seed)
  const people = users(app, 'ann', 'bob', 'cay', 'dan', 'eve')
  for (const person of people) await person.arrive()
  const [maker] = people as [User]
  const id = await maker.group([])
  const log = chatLog(new Queries(chatDatabase), chatDatabase)
  const model = new Model()
  model.join(maker.id)
  let owner = maker.id
  let before: MessageStatus[] = []

  for (let step = 0; step < STEPS; step++) {
    const members = people.filter(({ id }) => model.stays.has(id))
    const one = rng.pick(members)
    const foreign = model.messages.filter(({ senderId }) => senderId !== one.id)
    const own = model.messages.filter(({ senderId, deleted }) => senderId === one.id && !deleted)
    const away = people.filter(({ id }) => !model.stays.has(id))
    const what = rng.pick(['send', 'send', 'delivered', 'read', 'upTo', 'join', 'join', 'leave', 'leave', 'delete', 'edit'])
    let changed: { answer: Message, message: Sent } | undefined
    if (what === 'send') {
      model.send((await service.sendMessage(one.id, { conversationId: id, text: `message ${step}` })).message)
    } else if ((what === 'delivered' || what === 'read') && foreign.length > 0) {
      const message = rng.pick(foreign)
      await service.markMessage(one.id, message.id, { status: what })
      model.mark(one.id, message.seq, what)
    } else if (what === 'upTo' && model.messages.length > 0) {
      const { seq } = rng.pick(model.messages)
      await service.markRead(one.id, id, { seq })
      model.mark(one.id, seq, 'read')
    } else if (what === 'join' && away.length > 0) {
      const { id: joining } = rng.pick(away)
      await service.addParticipants(owner, id, { participantIds: [joining] })
      model.join(joining)
    } else if (what === 'leave' && members.length > 1) {
      await service.removeParticipant(one.id, id, one.id)
      model.leave(one.id)
    } else if (what === 'delete' && own.length > 0) {
      const message = rng.pick(own)
      changed = { answer: await service.deleteMessage(one.id, message.id), message }
      message.deleted = true
    } else if (what === 'edit' && own.length > 0) {
      const message = rng.pick(own)
      changed = { answer: await service.editMessage(one.id, message.id, { text: `edited ${step}` }), message }
    } else continue

    const statuses = model.messages.map(message => model.status(message))
    const viewer = rng.pick([...model.stays.keys()])
    const single = await service.conversation(viewer, id)
    const [listed] = (await service.conversations(viewer)).conversations
    owner = single.participants.find(({ role }) => role === 'owner')!.userId
    t.strictSame({
      history: (await service.messages(viewer, id, { limit: 100 })).messages.map(({ status }) => status),
      replay: (await log.read(id, 0, 1000)).filter(({ type }) => type === 'message').map(({ data }) => (data as Message).status),
      last: [single.lastMessage?.status, listed?.lastMessage?.status],
      unread: [single.unreadCount, listed?.unreadCount],
      changed: changed?.answer.status,
      back: before.filter((status, index) => RANKS.indexOf(status) > RANKS.indexOf(statuses[index]!))
    }, {
      history: statuses.slice(-100),
      replay: statuses,
      last: [statuses.at(-1), statuses.at(-1)],
      unread: [model.unread(viewer), model.unread(viewer)],
      changed: changed && model.status(changed.message),
      back: []
    }, `seed ${seed}, step ${step}: ${what}, seen by ${viewer}`)
    before = statuses
  }
}

for (const seed of ['a', 'b']) {
  test(`status and unread counts are what the contract says, whatever happens (SQLite, seed ${seed})`, async t => {
    await compareWithModel(t, seed, {})
  })
}

test('status and unread counts are what the contract says, whatever happens (PostgreSQL)', { skip: await skipWithoutPostgres() }, async t => {
  const databaseSchema = `test_${randomBytes(6).toString('hex')}`
  const databaseUrl = await requirePostgres()
  t.teardown(async () => {
    const { default: pg } = await import('pg')
    const client = new pg.Client({ connectionString: databaseUrl })
    await client.connect()
    await client.query(`DROP SCHEMA IF EXISTS ${databaseSchema} CASCADE`)
    await client.end()
  })
  await t.test('model', async t => { await compareWithModel(t, 'c', { databaseUrl, databaseSchema }) })
})

test('a reader who has left has read, live and fetched', async t => {
  const app = await buildListening(t)
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  const id = await alice.group([bob])
  const message = await alice.send(id, 'one')
  await bob.mark(message, 'read')
  await bob.ok('DELETE', `/api/chat/conversations/${id}/participants/bob`)
  const status = async (): Promise<unknown> => (await app.chat.messages('alice', id)).messages[0]?.status
  t.equal(await status(), 'read')
  await alice.ok('POST', `/api/chat/conversations/${id}/participants`, { participantIds: ['bob'] })
  t.equal(await status(), 'read', 'and when he comes back')
  t.equal((await user(app, 'bob').conversation(id)).unreadCount, 0)
})
