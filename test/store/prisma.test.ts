import { randomBytes } from 'node:crypto'
import SqliteConnection from 'better-sqlite3'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { ChatAppOptions } from '../../app.js'
import { ensureUser, registerUser } from '../../chat/users.js'
import { isChatError } from '../../errors.js'
import type { Database } from '../../store/database.js'
import { openDatabase } from '../../store/open-database.js'
import { putNode, renewNode } from '../../store/nodes.js'
import type { Prisma } from '../../store/prisma.js'
import { Queries } from '../../store/queries.js'
import { countTickets, putTicket, takeTicket } from '../../store/tickets.js'
import { Writer } from '../../store/writer.js'
import { temporaryFolder } from '../faults/process.js'
import { buildListening, users, type User } from '../helper.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'

const node = (id: string, expiresAt: number) => ({ id, host: 'host', pid: 1, expiresAt })

async function suite (t: Test, database: Database): Promise<void> {
  const writer = new Writer(database, () => {})
  await writer.write(registerUser('ann', 'Ann', 'a hash'))

  await t.test('a host reads with types, and sees no password hash', async t => {
    const found = await database.prisma.user.findUnique({ where: { id: 'ann' } })
    t.match(found, { id: 'ann', displayName: 'Ann', isOnline: false })
    t.notOk('passwordHash' in found!)
    t.equal(await database.prisma.user.count(), 1)
    t.equal(await new Queries(database).passwordHash('ann'), 'a hash', 'the login selects it')
  })

  await t.test('a host cannot write', async t => {
    const prisma = database.prisma as unknown as Prisma
    for (const write of [
      () => prisma.user.updateMany({ data: { displayName: 'x' } }),
      () => prisma.$executeRawUnsafe('UPDATE chat_users SET display_name = \'x\''),
      () => prisma.$queryRawUnsafe('UPDATE chat_users SET display_name = \'x\' RETURNING id'),
      () => prisma.$transaction(async inside => { await inside.user.deleteMany() })
    ]) await t.rejects(write, /only reads/)
    t.equal((await database.prisma.user.findFirstOrThrow()).displayName, 'Ann')
  })

  await t.test('what Prisma writes waits for the transaction before it, and the next one for it', async t => {
    const order: string[] = []
    await Promise.all([
      writer.run(async sql => {
        await sql.execute('UPDATE chat_meta SET position = position WHERE id = 1')
        order.push('transaction')
      }),
      writer.exclusive(async prisma => {
        await putNode(prisma, node('first', 10))
        order.push('exclusive')
      }),
      writer.write(ensureUser({ userId: 'ben', displayName: null, avatar: null, issuedAt: null, expiresAt: null })).then(() => { order.push('command') })
    ])
    t.strictSame(order, ['transaction', 'exclusive', 'command'])
  })

  await t.test('leases and tickets may be written twice', async t => {
    const ticket = { id: 'ticket', userId: 'ann', conversationId: null, expiresAt: 20, tokenExpiresAt: 30 }
    for (let time = 0; time < 2; time++) {
      await writer.exclusiveBeside(async prisma => {
        await putNode(prisma, node('second', 10))
        await putTicket(prisma, ticket)
      })
    }
    t.equal(await writer.exclusive(async prisma => await countTickets(prisma, 'ann', 5)), 1)
    const take = async () => await writer.beside(async sql => await takeTicket(sql, 'ticket', 10))
    const taken = await Promise.all([take(), take()])
    t.strictSame(taken.filter(holder => holder !== undefined), [{ userId: 'ann', conversationId: null, tokenExpiresAt: 30 }], 'taken once')
    t.equal(await writer.exclusive(async prisma => await renewNode(prisma, 'second', 99, 9)), true)
    t.equal(await writer.exclusive(async prisma => await renewNode(prisma, 'second', 199, 99)), false, 'it has lapsed')
  })

  await writer.close()
  for (const write of [async () => await writer.exclusive(async () => {}), async () => await writer.exclusiveBeside(async () => {})]) {
    t.ok(await write().then(() => false, error => isChatError(error, 'UNAVAILABLE')), 'a writer that is closed refuses')
  }
}

/** What docs/embedding.md promises a host. */
async function inAHost (t: Test, options: Pick<ChatAppOptions, 'databaseUrl' | 'databaseSchema'>): Promise<void> {
  const app = await buildListening(t, { chat: options })
  const [ann, ben] = users(app, 'ann', 'ben') as [User, User]
  const id = await ann.group([ben], 'Title')
  for (const text of ['one', 'two']) await ann.send(id, text)
  await ben.send(id, 'three')
  const { prisma } = app.chatDatabase
  const groups = await prisma.conversation.findMany({
    where: { type: 'group' }, orderBy: { messageSeq: 'desc' }, select: { id: true, title: true, messageSeq: true, participants: { select: { userId: true } } }
  })
  t.strictSame(groups.map(({ participants, ...group }) => ({ ...group, participants: participants.map(({ userId }) => userId).sort() })),
    [{ id, title: 'Title', messageSeq: 3, participants: ['ann', 'ben'] }])
  const senders = await prisma.message.groupBy({ by: ['senderId'], _count: true, orderBy: { senderId: 'asc' } })
  t.strictSame(senders, [{ senderId: 'ann', _count: 2 }, { senderId: 'ben', _count: 1 }])
  const { createdAt } = await prisma.message.findFirstOrThrow()
  t.type(createdAt, 'bigint')
  t.ok(Math.abs(Number(createdAt) - app.chatDatabase.clock.now()) < 60_000)
}

const isUnavailable = async (work: Promise<unknown>): Promise<boolean> => await work.then(() => false, error => isChatError(error, 'UNAVAILABLE'))

await t.test('SQLite', async t => {
  const file = `${temporaryFolder(t)}/chat.db`
  const database = await openDatabase({ url: `file:${file}` })
  t.teardown(async () => { await database.close() })
  await suite(t, database)

  await t.test('in a host', async t => { await inAHost(t, { databaseUrl: `file:${temporaryFolder(t)}/host.db` }) })

  await t.test('commits are flushed, as the writer\'s are', async t => {
    t.match(await database.read.query('PRAGMA synchronous'), [{ synchronous: 2 }])
  })

  await t.test('another process that holds the lock is waited for', async t => {
    const other = new SqliteConnection(file)
    t.teardown(() => { other.close() })
    other.exec('BEGIN IMMEDIATE')
    let released = false
    setTimeout(() => {
      released = true
      other.exec('COMMIT')
    }, 200)
    await database.write(async prisma => { await putNode(prisma, node('third', 10)) })
    t.ok(released)
  })

  await t.test('what cannot be written is an outage', async t => {
    const other = new SqliteConnection(file)
    t.teardown(() => { other.close() })
    other.exec('ALTER TABLE chat_tickets RENAME TO hidden')
    t.ok(await isUnavailable(database.prisma.ticket.count()), 'a read')
    t.ok(await isUnavailable(database.write(async prisma => await prisma.ticket.deleteMany())), 'a write')
    other.exec('ALTER TABLE hidden RENAME TO chat_tickets')
    t.equal(await database.prisma.ticket.count(), 0)
  })
})

await t.test('PostgreSQL', { skip: await skipWithoutPostgres() }, async t => {
  const url = new URL(await requirePostgres())
  const schema = `test_${randomBytes(6).toString('hex')}`
  const database = await openDatabase({ url: url.href, schema, poolSize: 2 })
  const admin = new pg.Client({ connectionString: url.href, options: `-c search_path=${schema}` })
  await admin.connect()
  t.teardown(async () => {
    await admin.query(`DROP SCHEMA ${schema} CASCADE`)
    await admin.end()
    await database.close()
  })
  await suite(t, database)
  await t.test('in a host', async t => {
    const databaseSchema = `${schema}_host`
    t.teardown(async () => { await admin.query(`DROP SCHEMA ${databaseSchema} CASCADE`) })
    await inAHost(t, { databaseUrl: url.href, databaseSchema })
  })

  const write = async () => await database.write(async prisma => { await putNode(prisma, node('third', 10)) })

  await t.test('sessions that are read-only are replaced', async t => {
    for (let connection = 0; connection < 2; connection++) await database.read.query('SELECT set_config(\'default_transaction_read_only\', \'on\', false)')
    await write()
    t.equal(await database.prisma.node.count({ where: { id: 'third' } }), 1)
  })

  await t.test('a connection that breaks is replaced', async t => {
    const [{ pid }] = await database.read.query<{ pid: number }>('SELECT pg_backend_pid() AS pid') as [{ pid: number }]
    await admin.query('SELECT pg_terminate_backend($1, 5000)', [pid])
    await write()
    t.equal(await database.prisma.node.count({ where: { id: 'third' } }), 1)
  })

  await t.test('what cannot be written is an outage', async t => {
    await admin.query('ALTER TABLE chat_nodes RENAME TO hidden')
    t.ok(await isUnavailable(write()), 'a write')
    t.ok(await isUnavailable(database.prisma.node.count()), 'a read')
    await admin.query('ALTER TABLE hidden RENAME TO chat_nodes')
    await admin.query('ALTER TABLE chat_nodes RENAME COLUMN pid TO hidden')
    t.ok(await isUnavailable(write()), 'a column is gone')
    await admin.query('ALTER TABLE chat_nodes RENAME COLUMN hidden TO pid')
    await admin.query('BEGIN; LOCK chat_nodes')
    const locked = isUnavailable(write())
    t.ok(await locked, 'a lock that is held for too long')
    await admin.query('COMMIT')
    await write()
  })
})
