import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import pg from 'pg'
import t, { type Test } from 'tap'
import { buildListening, call, user, type User } from '../helper.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { eventually } from './process.js'

const POOL_SIZE = 8

/** A database and a role that the test creates, and to which it may do anything. */
interface Place {
  url: string
  name: string
  role: string
  /** Runs as the server's administrator, in the test's database by default. */
  admin: (...statements: string[]) => Promise<void>
  elsewhere: (...statements: string[]) => Promise<void>
  /** Ends all sessions of the role, and waits until they have ended. */
  terminate: () => Promise<void>
}

async function place (t: Test): Promise<Place> {
  const url = new URL(await requirePostgres())
  const name = `chat_refuses_${randomBytes(6).toString('hex')}`
  const run = async (database: string, statements: string[]): Promise<void> => {
    const target = new URL(url)
    target.pathname = `/${database}`
    const client = new pg.Client(target.href)
    await client.connect()
    try {
      for (const statement of statements) await client.query(statement)
    } finally {
      await client.end()
    }
  }
  const elsewhere = async (...statements: string[]): Promise<void> => { await run(url.pathname.slice(1), statements) }
  await elsewhere(`CREATE ROLE ${name} LOGIN PASSWORD 'first'`, `CREATE DATABASE ${name} OWNER ${name}`)
  t.teardown(async () => { await elsewhere(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`, `DROP DATABASE IF EXISTS ${name}_other WITH (FORCE)`, `DROP ROLE ${name}`) })
  const own = new URL(url)
  own.username = name
  own.password = 'first'
  own.pathname = `/${name}`
  own.searchParams.set('schema', 'chat')
  return {
    url: own.href,
    name,
    role: name,
    admin: async (...statements) => { await run(name, statements) },
    elsewhere,
    terminate: async () => {
      await elsewhere(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '${name}' AND pid <> pg_backend_pid()`)
    }
  }
}

interface Chat { app: FastifyInstance, anna: User, ben: User, conversationId: string }

async function start (t: Test, databaseUrl: string): Promise<Chat> {
  const app = await buildListening(t, { chat: { databaseUrl } })
  const [anna, ben] = [user(app, 'anna'), user(app, 'ben')]
  return { app, anna, ben, conversationId: await anna.direct(ben) }
}

const readiness = async ({ app }: Chat): Promise<number> => (await call(app, 'GET', '/health/ready')).status

async function refuses (t: Test, chat: Chat, { reads = true } = {}): Promise<void> {
  const { anna, ben, conversationId } = chat
  // More than there are connections.
  const writes = await Promise.all(Array.from({ length: 3 }, async () => await anna.call('POST', '/api/chat/messages', { conversationId, text: 'refused' })))
  for (const { status, body, headers } of writes) {
    t.match([status, body.code], [503, 'UNAVAILABLE'], 'a write')
    t.ok(headers['retry-after'], 'says when to come again')
  }
  const read = await ben.call('GET', `/api/chat/conversations/${conversationId}/messages`)
  t.equal(read.status, reads ? 503 : 200, 'a read')
  for (const query of [{}, { conversationId }]) {
    const stream = await ben.openStream(t, query)
    t.equal(stream.status, 200, 'a stream')
    const { data } = await stream.next('disconnect')
    t.match(data, { reason: 'unavailable', retryAfterMs: Number })
    t.equal(stream.retry, data.retryAfterMs)
    await stream.ended
  }
  t.equal(await readiness(chat), 503, 'readiness')
  t.equal((await call(chat.app, 'GET', '/health/live')).status, 200)
}

async function works (t: Test, chat: Chat, text: string): Promise<void> {
  const { anna, ben, conversationId } = chat
  const answers = []
  for (let n = 0; n < POOL_SIZE + 2; n++) answers.push((await anna.call('POST', '/api/chat/messages', { conversationId, text })).status)
  t.strictSame([...new Set(answers)], [201], 'every write succeeds, the first one, too')
  await eventually('it is ready', async () => await readiness(chat) === 200)
  t.equal((await ben.call('GET', `/api/chat/conversations/${conversationId}/messages`)).status, 200)
  t.ok(await ben.stream(t, { conversationId }))
}

/** Something that is done to the database, and undone. */
interface State {
  name: string
  reads?: false
  spoil: (place: Place) => Promise<void>
  mend: (place: Place) => Promise<void>
}

const tables = ['users', 'conversations', 'participants', 'messages', 'events', 'nodes', 'streams', 'tickets', 'counters', 'meta'].map(name => `chat.chat_${name}`).join()

const states: State[] = [
  {
    name: 'the database takes no connections (55000)',
    spoil: async ({ elsewhere, name, terminate }) => {
      await elsewhere(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
      await terminate()
    },
    mend: async ({ elsewhere, name }) => { await elsewhere(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`) }
  },
  {
    name: 'the role may not log in (28000)',
    spoil: async ({ elsewhere, role, terminate }) => {
      await elsewhere(`ALTER ROLE ${role} NOLOGIN`)
      await terminate()
    },
    mend: async ({ elsewhere, role }) => { await elsewhere(`ALTER ROLE ${role} LOGIN`) }
  },
  {
    name: 'the role has no connections left (53300)',
    spoil: async ({ elsewhere, role, terminate }) => {
      await elsewhere(`ALTER ROLE ${role} CONNECTION LIMIT 0`)
      await terminate()
    },
    mend: async ({ elsewhere, role }) => { await elsewhere(`ALTER ROLE ${role} CONNECTION LIMIT -1`) }
  },
  {
    name: 'the database has another name (3D000)',
    spoil: async ({ elsewhere, name }) => {
      await elsewhere(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`,
        `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${name}'`,
        `ALTER DATABASE ${name} RENAME TO ${name}_other`)
    },
    mend: async ({ elsewhere, name }) => {
      await elsewhere(`ALTER DATABASE ${name}_other RENAME TO ${name}`, `ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    }
  },
  {
    name: 'the rights are revoked (42501)',
    spoil: async ({ admin, role }) => { await admin(`REVOKE ALL ON ${tables} FROM ${role}`) },
    mend: async ({ admin, role }) => { await admin(`GRANT ALL ON ${tables} TO ${role}`) }
  },
  {
    name: 'the right to write is revoked (42501)',
    reads: false,
    spoil: async ({ admin, role }) => { await admin(`REVOKE INSERT ON ${tables} FROM ${role}`) },
    mend: async ({ admin, role }) => { await admin(`GRANT INSERT ON ${tables} TO ${role}`) }
  },
  {
    name: 'the schema has another name (42P01)',
    spoil: async ({ admin }) => { await admin('ALTER SCHEMA chat RENAME TO other') },
    mend: async ({ admin }) => { await admin('ALTER SCHEMA other RENAME TO chat') }
  },
  {
    name: 'a table has another name (42P01)',
    spoil: async ({ admin }) => { await admin('ALTER TABLE chat.chat_participants RENAME TO other') },
    mend: async ({ admin }) => { await admin('ALTER TABLE chat.other RENAME TO chat_participants') }
  },
  {
    name: 'a column has another name (42703)',
    spoil: async ({ admin }) => { await admin('ALTER TABLE chat.chat_conversations RENAME COLUMN event_seq TO other') },
    mend: async ({ admin }) => { await admin('ALTER TABLE chat.chat_conversations RENAME COLUMN other TO event_seq') }
  },
  {
    name: 'the row of chat_meta is gone',
    reads: false,
    spoil: async ({ admin }) => { await admin('CREATE TABLE chat.saved AS SELECT * FROM chat.chat_meta', 'DELETE FROM chat.chat_meta') },
    mend: async ({ admin }) => { await admin('INSERT INTO chat.chat_meta SELECT * FROM chat.saved', 'DROP TABLE chat.saved') }
  },
  {
    name: 'new sessions are read-only (25006)',
    reads: false,
    spoil: async ({ elsewhere, name, terminate }) => {
      await elsewhere(`ALTER DATABASE ${name} SET default_transaction_read_only = on`)
      await terminate()
    },
    // Open sessions keep their state.
    mend: async ({ elsewhere, name }) => { await elsewhere(`ALTER DATABASE ${name} RESET default_transaction_read_only`) }
  }
]

await t.test('a PostgreSQL that refuses', { skip: await skipWithoutPostgres() }, async t => {
  const where = await place(t)
  const chat = await start(t, where.url)
  const open = await chat.ben.stream(t, { conversationId: chat.conversationId })
  for (const { name, reads, spoil, mend } of states) {
    await t.test(name, async t => {
      await spoil(where)
      await refuses(t, chat, reads === undefined ? {} : { reads })
      await mend(where)
      await works(t, chat, name)
    })
  }
  const { messages } = await chat.ben.ok<{ messages: Array<{ text: string }> }>('GET', `/api/chat/conversations/${chat.conversationId}/messages?limit=100`)
  t.notOk(messages.some(({ text }) => text === 'refused'), 'nothing that was refused is there')
  await open.durable(messages.length)
  const seqs = open.events.filter(({ type }) => type === 'message').map(({ data }) => data.seq)
  t.strictSame(seqs.slice(0, messages.length), messages.map((_, index) => index + 1), 'the stream that was open all the while has everything, once')
})

await t.test('sessions that are not what they were', { skip: await skipWithoutPostgres() }, async t => {
  const where = await place(t)
  const chat = await start(t, where.url)
  const { app } = chat
  /** In all sessions of the pool. */
  const everywhere = async (statement: string): Promise<void> => {
    await Promise.all(Array.from({ length: POOL_SIZE }, async () => {
      await app.chatDatabase.read.execute(`DO $$ BEGIN PERFORM pg_sleep(0.3); EXECUTE '${statement}'; END $$`)
    }))
  }
  await t.test('read-only ones are replaced, with no write refused', async t => {
    await everywhere('SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY')
    await works(t, chat, 'writable')
  })
  await t.test('so are those whose prepared statements are gone', async t => {
    await works(t, chat, 'prepared')
    await everywhere('DEALLOCATE ALL')
    await works(t, chat, 'prepared again')
  })
  await t.test('and those whose statements would give another type', async t => {
    await works(t, chat, 'prepared')
    await where.admin('ALTER TABLE chat.chat_messages ALTER COLUMN type TYPE varchar(32)')
    await works(t, chat, 'of another type')
  })
  await t.test('a rule of somebody else refuses one row, and others are written', async t => {
    await where.admin(`CREATE FUNCTION chat.refuse () RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.text = 'bad' THEN RAISE 'not here'; END IF; RETURN NEW; END $$`,
    'CREATE TRIGGER refuse BEFORE INSERT ON chat.chat_messages FOR EACH ROW EXECUTE FUNCTION chat.refuse()')
    const answers = await Promise.all(['good', 'bad', 'good'].map(async text => (await chat.anna.call('POST', '/api/chat/messages', { conversationId: chat.conversationId, text })).status))
    t.strictSame(answers, [201, 503, 201])
  })
})

await t.test('a bus that may not publish', { skip: await skipWithoutPostgres() }, async t => {
  const where = await place(t)
  const chat = await start(t, where.url)
  const stream = await chat.ben.stream(t, { conversationId: chat.conversationId })
  await where.admin('REVOKE EXECUTE ON FUNCTION pg_notify(text, text) FROM PUBLIC')
  await eventually('it is noticed', async () => await readiness(chat) === 503)
  await chat.anna.send(chat.conversationId, 'without a bus')
  t.equal((await stream.next('message')).data.text, 'without a bus')
  await where.admin('GRANT EXECUTE ON FUNCTION pg_notify(text, text) TO PUBLIC')
  await eventually('it is back', async () => await readiness(chat) === 200)
})

/** A proxy to PostgreSQL. While a code is set, it answers every new connection with that error, and ends open ones. */
async function refusingLine (t: Test, target: URL): Promise<{ url: URL, refuse: (code: string | undefined) => void }> {
  let code: string | undefined
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    sockets.add(client)
    client.on('error', () => {})
    if (code !== undefined) {
      const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0Mrefused\0\0`)
      const head = Buffer.from('E\0\0\0\0')
      head.writeInt32BE(fields.length + 4, 1)
      client.once('data', () => { client.end(Buffer.concat([head, fields])) })
      return
    }
    const upstream = connect(Number(target.port || 5432), target.hostname)
    upstream.on('error', () => {})
    client.pipe(upstream).pipe(client)
    client.on('close', () => {
      sockets.delete(client)
      upstream.destroy()
    })
    upstream.on('close', () => { client.destroy() })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endAll = (): void => { for (const socket of sockets) socket.destroy() }
  t.teardown(() => {
    endAll()
    server.close()
  })
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  return {
    url,
    refuse (next) {
      code = next
      if (next !== undefined) endAll()
    }
  }
}

await t.test('a PostgreSQL that takes no connection, whatever it says', { skip: await skipWithoutPostgres() }, async t => {
  const where = await place(t)
  const line = await refusingLine(t, new URL(where.url))
  const chat = await start(t, line.url.href)
  for (const code of ['28P01', '28000', '3D000', '55000', '42501', '53300', '57P03', '08004', '08P01', '0A000', 'XX000', '99999']) {
    await t.test(code, async t => {
      line.refuse(code)
      await refuses(t, chat)
      line.refuse(undefined)
      await works(t, chat, code)
    })
  }
})
