import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import SqliteConnection from 'better-sqlite3'
import { drizzle as drizzleSqlite } from 'drizzle-orm/better-sqlite3'
import { drizzle as drizzlePostgres } from 'drizzle-orm/node-postgres'
import { drizzle as drizzleAsync } from 'drizzle-orm/sqlite-proxy'
import type { FastifyInstance } from 'fastify'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { HostTransaction } from '../../chat/host-transaction.js'
import type { RefusedMessage } from '../../chat/pending.js'
import { forgetRefused } from '../../chat/retention.js'
import { refuse, type BeforeHook } from '../../index.js'
import { PrismaClient } from '../../prisma/generated/sqlite/client.js'
import { enqueueStatement } from '../../store/pending.js'
import { Writer } from '../../store/writer.js'
import { build, call, users, type User } from '../helper.js'
import { connect, type HostConnection } from '../host-transactions/connect.js'
import { runKilledHosts } from '../host-transactions/run.js'
import { makePostgres, makeSqlite } from '../migrated.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'

t.setTimeout(240_000)

interface Place { databaseUrl: string, databaseSchema: string }

interface Scene extends Place {
  app: FastifyInstance
  ann: User
  ben: User
  /** The direct conversation of the two. */
  id: string
  host: HostConnection
  refused: RefusedMessage[]
}

async function sqlitePlace (t: Test): Promise<Place> {
  const file = join(t.testdir(), 'chat.db')
  makeSqlite(file)
  return { databaseUrl: `file:${file}`, databaseSchema: '' }
}

async function postgresPlace (t: Test): Promise<Place> {
  const databaseUrl = await requirePostgres()
  const databaseSchema = `Host ${randomBytes(6).toString('hex')}`
  const quoted = `"${databaseSchema}"`
  await makePostgres(databaseUrl, quoted)
  t.teardown(async () => {
    const client = new pg.Client({ connectionString: databaseUrl })
    await client.connect()
    await client.query(`DROP SCHEMA ${quoted} CASCADE`)
    await client.end()
  })
  return { databaseUrl, databaseSchema }
}

async function scene (t: Test, place: Place): Promise<Scene> {
  const refused: RefusedMessage[] = []
  const host = await connect(place.databaseUrl, place.databaseSchema)
  let changes = 0
  const before: BeforeHook = ({ input }) => input['text'] === 'refused' ? refuse('No', { code: 'NO' }) : input['text'] === 'changed' ? { ...input, text: `changed ${++changes} times` } : undefined
  t.teardown(async () => { await host.close() })
  const app = await build(t, { chat: { ...place, hooks: { onRefused: one => { refused.push(one) }, before } } })
  const [ann, ben] = users(app, 'ann', 'ben') as [User, User]
  return { ...place, app, ann, ben, id: await ann.direct(ben), host, refused }
}

const texts = async ({ ben, id }: Pick<Scene, 'ben' | 'id'>, after = 0): Promise<string[]> =>
  (await ben.ok<{ messages: Array<{ text: string }> }>('GET', `/api/chat/conversations/${id}/messages?after=${after}`)).messages.map(({ text }) => text)

/** What both databases have in common. */
async function suite (t: Test, { app, ann, ben, host, id, refused }: Scene): Promise<void> {
  const enqueue = async (text: string, more: Record<string, unknown> = {}, tx: HostTransaction = host.tx): Promise<{ pendingId: string }> =>
    await app.chat.enqueue(tx, 'ann', { conversationId: id, text, ...more })
  const sent = async (): Promise<string[]> => await texts({ ben, id })
  const waiting = async (): Promise<unknown[]> => await host.rows('SELECT * FROM chat_pending')

  await t.test('what is committed is sent, once, and what is rolled back never is', async t => {
    await host.run('BEGIN')
    await enqueue('rolled back')
    await host.run('ROLLBACK')
    await host.run('BEGIN')
    const { pendingId } = await enqueue('It\'s “$1” \\ 👍\n', { clientId: 'one', metadata: { order: 7 }, unknown: 'field' })
    t.match(pendingId, /^[0-9a-f-]{36}$/)
    t.strictSame(await sent(), [], 'nothing is sent before the commit')
    await enqueue('second')
    await host.run('COMMIT')
    await Promise.all([app.chat.flush(), app.chat.flush()])
    await app.chat.flush()
    t.strictSame(await sent(), ['It\'s “$1” \\ 👍\n', 'second'])
    t.match(await ben.ok('GET', `/api/chat/conversations/${id}/messages?limit=2`), { messages: [{ metadata: { order: 7 }, clientId: 'one', seq: 1 }, { seq: 2 }] })
    t.strictSame(await waiting(), [])
  })

  await t.test('without flush it is found as well', async t => {
    await host.run('BEGIN')
    await enqueue('found')
    await host.run('COMMIT')
    while ((await sent()).length < 3) await new Promise(resolve => setTimeout(resolve, 5))
    t.strictSame(await waiting(), [])
  })

  await t.test('a repeated clientId is sent once, whether it was sent before or waits', async t => {
    await host.run('BEGIN')
    for (let n = 0; n < 2; n++) await enqueue('again', { clientId: 'two' })
    await host.run('COMMIT')
    await app.chat.flush()
    await host.run('BEGIN')
    await enqueue('again', { clientId: 'two' })
    await t.rejects(enqueue('other', { clientId: 'two' }), { code: 'CLIENT_ID_REUSED' })
    await host.run('COMMIT')
    await app.chat.flush()
    t.equal((await sent()).filter(text => text === 'again').length, 1)
  })

  await t.test('so is one that the hook has changed: a repetition is told by what was sent', async t => {
    await host.run('BEGIN')
    for (let n = 0; n < 2; n++) await enqueue('changed', { clientId: 'three' })
    await host.run('COMMIT')
    await app.chat.flush()
    await host.run('BEGIN')
    await enqueue('changed', { clientId: 'three' })
    await t.rejects(enqueue('changed 1 times', { clientId: 'three' }), { code: 'CLIENT_ID_REUSED' })
    await host.run('COMMIT')
    await app.chat.flush()
    t.strictSame((await sent()).filter(text => text.startsWith('changed')), ['changed 1 times'])
    t.match(await app.chat.sendMessage('ann', { conversationId: id, text: 'changed', clientId: 'three' }), { created: false })
    t.strictSame(await waiting(), [])
    t.strictSame(refused, [])
  })

  await t.test('what would be refused now is refused at once, and writes nothing', async t => {
    const group = await ann.group([ben])
    await ann.ok('PATCH', `/api/chat/conversations/${group}`, { settings: { posting: 'admins' } })
    await host.run('BEGIN')
    const refusals: Array<[code: string, userId: string, body: Record<string, unknown>]> = [
      ['VALIDATION_FAILED', 'ann', { conversationId: id, text: '' }],
      ['VALIDATION_FAILED', 'ann', { conversationId: id, text: 5 }],
      ['VALIDATION_FAILED', 'ann', { conversationId: id, text: 'x', metadata: { big: 5n } }],
      ['METADATA_TOO_LARGE', 'ann', { conversationId: id, text: 'x', metadata: { a: 'x'.repeat(5000) } }],
      ['NOT_FOUND', 'ann', { conversationId: 'conv_a_b', text: 'x' }],
      ['NOT_FOUND', 'eve', { conversationId: id, text: 'x' }],
      ['POSTING_RESTRICTED', 'ben', { conversationId: group, text: 'x' }],
      ['UNKNOWN_MESSAGE', 'ann', { conversationId: id, text: 'x', replyToId: '00000000-0000-7000-8000-000000000000' }]
    ]
    for (const [code, userId, body] of refusals) {
      await t.rejects(app.chat.enqueue(host.tx, userId, body as never), { code }, `${userId}: ${code}`)
    }
    await t.rejects(app.chat.enqueue(host.tx, 'ann', null as never), { code: 'VALIDATION_FAILED' })
    await t.rejects(enqueue('refused'), { code: 'REFUSED', hookCode: 'NO' }, 'by the hook')
    await host.run('COMMIT')
    t.strictSame(await waiting(), [])
    await ben.ok('PUT', '/api/chat/blocks/ann')
    await host.run('BEGIN')
    await t.rejects(enqueue('x'), { code: 'BLOCKED' })
    await host.run('ROLLBACK')
    await ben.ok('DELETE', '/api/chat/blocks/ann')
  })

  await t.test('what is refused after the commit is told, and kept for 30 days', async t => {
    const group = await ann.group([ben])
    await host.run('BEGIN')
    const { pendingId } = await app.chat.enqueue(host.tx, 'ben', { conversationId: group, text: 'too late' })
    await host.run('COMMIT')
    await app.chat.flush()
    await host.run('BEGIN')
    const late = await app.chat.enqueue(host.tx, 'ben', { conversationId: group, text: 'later' })
    await host.run(`DELETE FROM chat_participants WHERE user_id = 'ben' AND conversation = (SELECT num FROM chat_conversations WHERE id = '${group}')`)
    await host.run('COMMIT')
    await app.chat.flush()
    t.match(refused, [{ pendingId: late.pendingId, userId: 'ben', input: { conversationId: group, text: 'later' }, error: { code: 'NOT_FOUND' } }])
    t.not(refused[0]?.pendingId, pendingId)
    t.match(await waiting(), [{ id: late.pendingId, caller: 'ben', error: 'NOT_FOUND: Not found' }])
    await app.chat.flush()
    t.equal(refused.length, 1, 'once')
    t.match((await call<string>(app, 'GET', '/metrics')).body, /^chat_pending_refused_total 1$/m)
    const writer = new Writer(app.chatDatabase, () => {})
    await forgetRefused(writer, Date.now() + 29 * 86_400_000)
    t.equal((await waiting()).length, 1)
    await forgetRefused(writer, Date.now() + 31 * 86_400_000)
    t.strictSame(await waiting(), [])
  })

  await t.test('a mistake keeps the messages behind it waiting, and is given up after five tries', async t => {
    const before = (await sent()).length
    refused.length = 0
    const poison = 'WHEN (NEW.text = \'poison\')'
    await host.run(host.tx instanceof SqliteConnection
      ? `CREATE TRIGGER poison BEFORE INSERT ON chat_messages ${poison} BEGIN SELECT raise(ABORT, 'poison'); END`
      : `CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'poison'; END $$;
         CREATE TRIGGER poison BEFORE INSERT ON chat_messages FOR EACH ROW ${poison} EXECUTE FUNCTION poison()`)
    await host.run('BEGIN')
    for (const text of ['before', 'poison', 'behind']) await enqueue(text)
    await host.run('COMMIT')
    for (let n = 0; n < 6; n++) await app.chat.flush().catch(() => {})
    t.strictSame((await sent()).slice(before), ['before', 'behind'])
    t.match(refused, [{ input: { text: 'poison' }, error: { code: /INTERNAL_ERROR|UNAVAILABLE/ } }])
    await host.run(host.tx instanceof SqliteConnection ? 'DROP TRIGGER poison' : 'DROP TRIGGER poison ON chat_messages')
  })

  await t.test('anything else is a TypeError that names the four, and so is what is not in a transaction', async t => {
    const names = { name: 'TypeError', message: /Prisma.*pg client.*better-sqlite3.*Drizzle/ }
    for (const tx of [undefined, null, 'tx', {}, [], { query () {} }, { rollback () {} }, { $executeRawUnsafe () {}, $connect () {} }, host.tx,
      { rollback () {}, run () {}, resultKind: 'sync' }]) {
      await t.rejects(enqueue('x', {}, tx as never), names)
    }
  })
}

interface DrizzleDatabase { transaction (work: (tx: HostTransaction) => Promise<void>): Promise<unknown> }

async function drizzleSuite (t: Test, scene: Scene, database: DrizzleDatabase): Promise<void> {
  const { app, id } = scene
  const before = (await texts(scene)).length
  await database.transaction(async tx => { await app.chat.enqueue(tx, 'ann', { conversationId: id, text: 'by Drizzle' }) })
  await t.rejects(database.transaction(async tx => {
    await app.chat.enqueue(tx, 'ann', { conversationId: id, text: 'never' })
    throw new Error('the host has changed its mind')
  }), /changed its mind/)
  await app.chat.flush()
  t.strictSame((await texts(scene)).slice(before), ['by Drizzle'])
}

t.test('SQLite', async t => {
  const all = await scene(t, await sqlitePlace(t))
  const { app, ann, ben, databaseUrl, host, id } = all
  await suite(t, all)

  await t.test('in Prisma\'s transaction', async t => {
    const prisma = new PrismaClient({ adapter: new PrismaBetterSqlite3({ url: databaseUrl }) })
    const before = (await texts(all)).length
    await prisma.$transaction(async tx => {
      await tx.$executeRaw`UPDATE chat_counters SET count = count`
      await app.chat.enqueue(tx, 'ann', { conversationId: id, text: 'by Prisma' })
    })
    await t.rejects(prisma.$transaction(async tx => {
      await app.chat.enqueue(tx, 'ann', { conversationId: id, text: 'never' })
      throw new Error('the host has changed its mind')
    }), /changed its mind/)
    await app.chat.flush()
    t.strictSame((await texts(all)).slice(before), ['by Prisma'])
    await t.rejects(app.chat.enqueue(prisma, 'ann', { conversationId: id, text: 'x' }), { name: 'TypeError', message: /\$transaction/ })
    await prisma.$disconnect()
  })

  await t.test('in Drizzle\'s transaction', async t => {
    const connection = new SqliteConnection(databaseUrl.slice('file:'.length))
    // An asynchronous driver, as one of libSQL is
    await drizzleSuite(t, all, drizzleAsync(async (text, parameters, method) => {
      const statement = connection.prepare<unknown[], unknown[]>(text)
      return { rows: statement.reader ? statement.raw()[method === 'get' ? 'get' : 'all'](...parameters as unknown[]) as unknown[] : (statement.run(...parameters as unknown[]), []) }
    }))
    const synchronous = drizzleSqlite(connection)
    let enqueued: Promise<unknown> = Promise.resolve()
    synchronous.transaction(tx => {
      enqueued = app.chat.enqueue(tx as unknown as HostTransaction, 'ann', { conversationId: id, text: 'x' })
      enqueued.catch(() => {})
    })
    await t.rejects(enqueued, { name: 'TypeError', message: /pass db\.\$client/ })
    const before = (await texts(all)).length
    synchronous.$client.exec('BEGIN')
    await app.chat.enqueue(synchronous.$client, 'ann', { conversationId: id, text: 'by db.$client' })
    synchronous.$client.exec('COMMIT')
    await app.chat.flush()
    t.strictSame((await texts(all)).slice(before), ['by db.$client'])
    connection.close()
  })

  await t.test('a transaction that cannot wait is no transaction', async t => {
    const handle = host.tx as InstanceType<typeof SqliteConnection>
    let enqueued: Promise<unknown> = Promise.resolve()
    handle.transaction(() => {
      enqueued = app.chat.enqueue(handle, 'ann', { conversationId: id, text: 'x' })
      enqueued.catch(() => {})
    })()
    await t.rejects(enqueued, { name: 'TypeError', message: /db\.transaction\(\)/ })
  })

  await t.test('while the host\'s transaction is open, the chat answers, and its writes wait', async t => {
    await host.run('BEGIN IMMEDIATE')
    await app.chat.enqueue(host.tx, 'ann', { conversationId: id, text: 'first' })
    const sending = ben.send(id, 'second')
    t.equal((await ann.call('GET', '/api/chat/conversations')).status, 200)
    await host.run('COMMIT')
    await Promise.all([sending, app.chat.flush()])
    t.strictSame((await texts(all)).slice(-2).sort(), ['first', 'second'])
  })

  await t.test('on another database it fails', async t => {
    const other = await connect((await sqlitePlace(t)).databaseUrl, '')
    await other.run('BEGIN')
    await t.rejects(app.chat.enqueue(other.tx, 'ann', { conversationId: id, text: 'x' }), /NOT NULL/)
    await other.close()
    const empty = new SqliteConnection(':memory:')
    empty.exec('BEGIN')
    await t.rejects(app.chat.enqueue(empty, 'ann', { conversationId: id, text: 'x' }), /no such table/)
    empty.close()
  })
})

t.test('PostgreSQL', { skip: await skipWithoutPostgres() }, async t => {
  const place = await postgresPlace(t)
  const all = await scene(t, place)
  const { app, ann, ben, host, id } = all
  await suite(t, all)

  await t.test('in Drizzle\'s transaction', async t => {
    const pool = new pg.Pool({ connectionString: place.databaseUrl })
    await drizzleSuite(t, all, drizzlePostgres(pool))
    await pool.end()
  })

  await t.test('an open transaction of the host delays nobody; the order is that of the commits', async t => {
    const other = await connect(place.databaseUrl, place.databaseSchema)
    const before = (await texts(all)).length
    await host.run('BEGIN')
    await other.run('BEGIN')
    await app.chat.enqueue(host.tx, 'ann', { conversationId: id, text: 'committed last' })
    await app.chat.enqueue(other.tx, 'ann', { conversationId: id, text: 'committed first' })
    await ben.send(id, 'meanwhile, here')
    await ann.send(await ben.group([ann]), 'and elsewhere')
    await other.run('COMMIT')
    await host.run('COMMIT')
    await app.chat.flush()
    t.strictSame((await texts(all)).slice(before), ['meanwhile, here', 'committed first', 'committed last'])
    await other.close()
  })

  await t.test('a role needs no more than INSERT; nodes that start find what waits, and send it once, in the order of the commits', async t => {
    const before = (await texts(all)).length
    await app.close()
    const role = `host_${randomBytes(6).toString('hex')}`
    const quoted = `"${place.databaseSchema}"`
    await host.run(`CREATE ROLE ${role}; GRANT USAGE ON SCHEMA ${quoted} TO ${role}; GRANT INSERT ON chat_pending TO ${role}`)
    const connections = await Promise.all([1, 2].map(async () => await connect(place.databaseUrl, 'public')))
    const insert = async (connection: HostConnection, number: number): Promise<void> => {
      await connection.run(enqueueStatement({ provider: 'postgresql', schema: place.databaseSchema, identity: '' },
        { id: `${1000 - number}`, caller: 'ann', input: JSON.stringify({ conversationId: id, text: `${number}` }), createdAt: 1 }))
    }
    for (const connection of connections) await connection.run(`SET ROLE ${role}; BEGIN`)
    // The second connection commits first, though it began last and its ids are greater.
    for (let number = 61; number <= 120; number++) await insert(connections[0]!, number)
    for (let number = 1; number <= 60; number++) await insert(connections[1]!, number)
    for (const connection of connections.reverse()) {
      await connection.run('COMMIT')
      await connection.close()
    }
    const nodes = await Promise.all([1, 2].map(async () => await build(t, { chat: place })))
    await Promise.all(nodes.map(async node => { await node.chat.flush() }))
    const [again] = users(nodes[0]!, 'ben')
    t.strictSame(await texts({ ben: again!, id }, before), Array.from({ length: 120 }, (_, index) => String(index + 1)).slice(0, 50), 'the first page')
    t.strictSame(await texts({ ben: again!, id }, before + 100), Array.from({ length: 20 }, (_, index) => String(index + 101)), 'the last page')
    await host.run(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  })
})

t.test('a host that is killed around its commits', async t => {
  await t.test('SQLite', async t => {
    const report = await runKilledHosts({ ...await sqlitePlace(t), kills: 2 })
    t.strictSame(report.problems, [])
    t.comment(report)
  })
  await t.test('PostgreSQL', { skip: await skipWithoutPostgres() }, async t => {
    const databaseSchema = `hosts_${randomBytes(6).toString('hex')}`
    const databaseUrl = await requirePostgres()
    await makePostgres(databaseUrl, databaseSchema)
    const host = await connect(databaseUrl, databaseSchema)
    t.teardown(async () => {
      await host.run(`DROP SCHEMA ${databaseSchema} CASCADE`)
      await host.close()
    })
    const report = await runKilledHosts({ databaseUrl, databaseSchema, kills: 2 })
    t.strictSame(report.problems, [])
    t.comment(report)
  })
})
