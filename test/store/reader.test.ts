import { test } from 'tap'
import type { PrismaClient } from '../../prisma/generated/sqlite/client.js'
import type { TypeMap } from '../../prisma/generated/sqlite/internal/prismaNamespace.js'
import type { Models } from '../../prisma/generated/models.js'
import type { Omitted } from '../../store/reader.js'
import { build, users, type User } from '../helper.js'

/** Prisma's own types, which the package does not contain. */
type Own = PrismaClient<never, Omitted>

type Both<A, B> = [A] extends [B] ? [B] extends [A] ? true : false : false
/** Compiles only if two queries have the same type of result. */
function same<A, B> (one: () => PromiseLike<A>, _other: () => PromiseLike<B>, _equal: Both<A, B>): PromiseLike<A> {
  return one()
}
/** Compiles only if a type is `true`. */
function holds<T extends true> (_type?: T): void {}

type OwnPayload<Model extends keyof Models> = TypeMap['model'][Capitalize<Model>]['payload']
holds<Both<keyof Models, TypeMap['meta']['modelProps']>>()
// Each model with all of its fields and relations.
holds<Both<{ [Model in keyof Models]: Models[Model]['scalars'] }, { [Model in keyof Models]: OwnPayload<Model>['scalars'] }>>()
holds<Both<
  { [Model in keyof Models]: { [Name in keyof Models[Model]['objects']]: true } },
  { [Model in keyof Models]: { [Name in keyof OwnPayload<Model>['objects']]: true } }
>>()
// Every key of a row that Prisma finds it by.
holds<{ [Model in keyof Models]: Exclude<keyof TypeMap['model'][Capitalize<Model>]['operations']['findUnique']['args']['where'], keyof Models[Model]['unique'] | keyof OwnPayload<Model>['scalars'] | keyof OwnPayload<Model>['objects'] | 'AND' | 'OR' | 'NOT'> }[keyof Models] extends never ? true : false>()

test('the types of the reader say what Prisma\'s own say', async t => {
  const app = await build(t)
  const [ann, ben] = users(app, 'ann', 'ben') as [User, User]
  const id = await ann.group([ben], 'Title')
  for (const text of ['one', 'two']) await ann.send(id, text)
  await ben.send(id, 'three')
  const reader = app.chatDatabase.prisma
  const own = reader as unknown as Own

  const groups = {
    where: { type: 'group', updatedAt: { gte: 5 }, participants: { some: { user: { isBot: false } }, none: { userId: 'zoe' } }, NOT: [{ title: { contains: 'x' } }] },
    orderBy: [{ messageSeq: 'desc' as const }, { participants: { _count: 'asc' as const } }, { title: { sort: 'asc' as const, nulls: 'last' as const } }],
    take: 10,
    select: { id: true, title: true, updatedAt: true, avatar: false, participants: { select: { userId: true, user: { omit: { metadata: true } } }, orderBy: { userId: 'asc' as const } }, _count: { select: { messages: { where: { seq: { gt: 1 } } } } } }
  }
  const [group] = await same(() => reader.conversation.findMany(groups), () => own.conversation.findMany(groups), true)
  t.match(group, { id, title: 'Title', participants: [{ userId: 'ann', user: { id: 'ann' } }, { userId: 'ben' }], _count: { messages: 2 } })
  t.type(group?.updatedAt, 'bigint')
  t.notOk('metadata' in group!.participants[0]!.user)

  const { num } = await same(
    () => reader.conversation.findUniqueOrThrow({
      where: { id, type: { in: ['group'] } }, include: { messages: { include: { sender: true }, distinct: ['senderId'] } }
    }),
    () => own.conversation.findUniqueOrThrow({
      where: { id, type: { in: ['group'] } }, include: { messages: { include: { sender: true }, distinct: ['senderId'] } }
    }), true)
  const message = await same(
    () => reader.message.findUnique({
      where: { conversation_seq: { conversation: num, seq: 2 } }, include: { sender: { select: { displayName: true } } }
    }),
    () => own.message.findUnique({
      where: { conversation_seq: { conversation: num, seq: 2 } }, include: { sender: { select: { displayName: true } } }
    }), true)
  t.match(message, { text: 'two', sender: {} })
  const hash = await same(
    () => reader.user.findFirst({ where: { id: 'ann', lastSeen: null, isOnline: false }, select: { passwordHash: true } }),
    () => own.user.findFirst({ where: { id: 'ann', lastSeen: null, isOnline: false }, select: { passwordHash: true } }), true)
  t.strictSame(hash, { passwordHash: null })
  const after = await same(
    () => reader.message.findMany({ cursor: { id: message!.id }, skip: 1, orderBy: { seq: 'asc' }, omit: { text: true } }),
    () => own.message.findMany({ cursor: { id: message!.id }, skip: 1, orderBy: { seq: 'asc' }, omit: { text: true } }), true)
  t.match(after, [{ seq: 3 }])

  t.equal(await same(() => reader.message.count(), () => own.message.count(), true), 3)
  t.strictSame(await same(
    () => reader.message.count({ where: { OR: [{ seq: 1 }, { deletedAt: { not: null } }] }, select: { _all: true, clientId: true } }),
    () => own.message.count({ where: { OR: [{ seq: 1 }, { deletedAt: { not: null } }] }, select: { _all: true, clientId: true } }), true
  ), { _all: 1, clientId: 0 })
  const totals = await same(
    () => reader.message.aggregate({
      _count: true, _avg: { seq: true, createdAt: true }, _sum: { createdAt: true }, _min: { text: true }, _max: { mentionsAll: true }
    }),
    () => own.message.aggregate({
      _count: true, _avg: { seq: true, createdAt: true }, _sum: { createdAt: true }, _min: { text: true }, _max: { mentionsAll: true }
    }), true)
  t.match(totals, { _count: 3, _avg: { seq: 2, createdAt: Number }, _min: { text: 'one' }, _max: { mentionsAll: false } })
  t.type(totals._sum.createdAt, 'bigint')
  const senders = await same(
    () => reader.message.groupBy({
      by: ['senderId', 'type'], _count: { _all: true }, _max: { seq: true }, orderBy: { _count: { senderId: 'desc' } }, having: { seq: { _max: { gt: 2 } } }
    }),
    () => own.message.groupBy({
      by: ['senderId', 'type'], _count: { _all: true }, _max: { seq: true }, orderBy: { _count: { senderId: 'desc' } }, having: { seq: { _max: { gt: 2 } } }
    }), true)
  t.strictSame(senders, [{ senderId: 'ben', type: 'text', _count: { _all: 1 }, _max: { seq: 3 } }])
  t.strictSame(await same(() => reader.message.groupBy({ by: 'senderId', orderBy: { senderId: 'asc' } }), () => own.message.groupBy({ by: 'senderId', orderBy: { senderId: 'asc' } }), true),
    [{ senderId: 'ann' }, { senderId: 'ben' }])

  const refused = [
    // @ts-expect-error -- no such field
    () => reader.user.findMany({ where: { nme: 'x' } }),
    // @ts-expect-error -- no such field among those that exist
    () => reader.user.findMany({ where: { id: 'x' }, select: { nme: true } }),
    // @ts-expect-error -- a text, not a number
    () => reader.user.findMany({ where: { id: 7 } }),
    // @ts-expect-error -- no part of the key
    () => reader.user.findUnique({ where: { displayName: 'Ann' } }),
    // @ts-expect-error -- half of a key
    () => reader.message.findUnique({ where: { conversation_seq: { conversation: 1 } } }),
    // @ts-expect-error -- no such argument
    () => reader.user.findMany({ wher: {} }),
    // @ts-expect-error -- a text has no sum
    () => reader.message.aggregate({ _sum: { text: true } }),
    // @ts-expect-error -- one of the two
    () => reader.message.findMany({ select: { id: true }, include: { sender: true } }),
    // @ts-expect-error -- writing
    () => reader.user.deleteMany()
  ]
  for (const query of refused) t.ok(await Promise.resolve().then(query).then(() => false, () => true), 'Prisma refuses it, too')
})
