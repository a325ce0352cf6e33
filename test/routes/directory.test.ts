import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { test, type Test } from 'tap'
import { listUnlisted, SEARCHES_PER_MINUTE } from '../../chat/directory.js'
import type { UserPage } from '../../schemas/users.js'
import { Queries } from '../../store/queries.js'
import { Writer } from '../../store/writer.js'
import { build, user, users, type BuildOptions, type User } from '../helper.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'

const invalidCursor = { status: 400, body: { code: 'INVALID_CURSOR' } }

const search = async (who: User, query: string, more = ''): Promise<UserPage> =>
  await who.ok('GET', `/api/chat/users?query=${encodeURIComponent(query)}${more}`)
const names = async (who: User, query: string, more = ''): Promise<string[]> => (await search(who, query, more)).users.map(({ displayName }) => displayName)

async function scene (t: Test, chat: BuildOptions['chat'] = {}) {
  const app = await build(t, { chat })
  const named = (id: string, name: string, picture?: string): User => user(app, id, { name, picture })
  const people = {
    ann: named('ann', 'Ann Archer'),
    zoe: named('zoe', 'Zoë Café', 'https://example.com/zoe.png'),
    taro: named('taro-1', '山田太郎'),
    bert: named('u-77', 'bert archer'),
    stranger: named('stranger', 'Arch Stranger')
  }
  for (const one of Object.values(people)) await one.arrive()
  const { ann, zoe, taro, bert } = people
  await ann.direct(zoe)
  await ann.group([taro, bert])
  return { app, ...people }
}

async function findsByName (t: Test, chat: BuildOptions['chat'] = {}): Promise<void> {
  const { ann, zoe, stranger, app } = await scene(t, chat)
  t.strictSame(await search(ann, 'cafe'), {
    users: [{ userId: 'zoe', displayName: 'Zoë Café', avatar: 'https://example.com/zoe.png', isBot: false }], nextCursor: null
  })
  t.strictSame(await names(ann, 'ZO'), ['Zoë Café'])
  t.strictSame(await names(ann, 'zoe caf'), ['Zoë Café'], 'each term')
  t.strictSame(await names(ann, '太'), ['山田太郎'], 'anywhere in a script without spaces')
  t.strictSame(await names(ann, 'taro-'), ['山田太郎'], 'the beginning of an id')
  t.strictSame(await names(ann, 'U-7'), ['bert archer'])
  t.strictSame(await names(ann, ' u-7 '), ['bert archer'], 'white space around the query is none of it')
  t.strictSame(await names(ann, 'arch'), ['bert archer'], 'not oneself, and nobody who shares no conversation')
  t.strictSame(await names(ann, 'rche'), [])
  t.strictSame(await names(zoe, 'arch'), ['Ann Archer'])
  t.strictSame(await names(stranger, 'a'), [])

  await ann.direct(stranger)
  t.strictSame(await names(ann, 'arch'), ['Arch Stranger', 'bert archer'], 'by name, without regard to case')
  const first = await search(ann, 'arch', '&limit=1')
  t.equal(first.users[0]!.userId, 'stranger')
  const second = await search(ann, 'arch', `&limit=1&cursor=${first.nextCursor!}`)
  t.strictSame([second.users[0]!.userId, second.nextCursor], ['u-77', null])
  for (const cursor of ['x', first.nextCursor!.slice(0, -1)]) {
    t.match(await ann.call('GET', `/api/chat/users?query=arch&cursor=${cursor}`), invalidCursor)
  }
  t.match(await ann.call('GET', `/api/chat/users?query=ar&cursor=${first.nextCursor!}`), invalidCursor)
  for (const query of ['', 'query=', `query=${'x'.repeat(201)}`, 'query=%21%3F', 'query=a&limit=0', 'query=a&limit=51']) {
    t.match(await ann.call('GET', `/api/chat/users?${query}`), { status: 400, body: { code: 'VALIDATION_FAILED' } }, query)
  }

  await user(app, 'u-77', { name: 'Berta Bow', iat: Math.floor(Date.now() / 1000) }).arrive()
  t.strictSame(await names(ann, 'arch'), ['Arch Stranger'], 'no longer by the old name')
  t.strictSame(await names(ann, 'bow'), ['Berta Bow'])

  await app.chatDatabase.transaction(async sql => {
    await sql.execute('INSERT INTO chat_blocks (user_id, blocked_id, created_at) VALUES (?, ?, ?)', 'zoe', 'ann', 1)
  })
  t.strictSame(await names(ann, 'zoe'), [], 'nobody who has blocked the caller')
}

test('users are found by the beginning of a word', async t => { await findsByName(t) })

test('on PostgreSQL, too', { skip: await skipWithoutPostgres() }, async t => {
  const databaseUrl = await requirePostgres()
  const databaseSchema = `test_${randomBytes(6).toString('hex')}`
  t.teardown(async () => {
    const client = new pg.Client(databaseUrl)
    await client.connect()
    await client.query(`DROP SCHEMA IF EXISTS ${databaseSchema} CASCADE`)
    await client.end()
  })
  await findsByName(t, { databaseUrl, databaseSchema })
  const { ann } = await scene(t, { databaseUrl, databaseSchema, directory: 'all' })
  t.strictSame(await names(ann, 'arch'), ['Arch Stranger', 'bert archer'], 'everybody')
})

test('everybody is found where the directory says so, in pages', async t => {
  const { ann, app } = await scene(t, { directory: 'all' })
  t.strictSame(await names(ann, 'arch'), ['Arch Stranger', 'bert archer'])
  t.strictSame(await names(ann, 'str'), ['Arch Stranger'])
  t.strictSame(await names(ann, '田太'), ['山田太郎'])
  t.strictSame(await names(ann, 'U-7'), ['bert archer'])
  const many = Array.from({ length: 60 }, (_, index) => user(app, `m${index}`, { name: `Member ${String(index).padStart(2, '0')}` }))
  for (const one of many) await one.arrive()
  const found: string[] = []
  let cursor: string | null = null
  do {
    const page: UserPage = await search(ann, 'member', `&limit=25${cursor === null ? '' : `&cursor=${cursor}`}`)
    found.push(...page.users.map(({ displayName }) => displayName))
    cursor = page.nextCursor
  } while (cursor !== null)
  t.strictSame(found, many.map((_, index) => `Member ${String(index).padStart(2, '0')}`))
})

test('users of a version without a directory are listed soon', async t => {
  const { ann, app } = await scene(t, { directory: 'all' })
  await app.chatDatabase.transaction(async sql => {
    await sql.execute('DELETE FROM chat_user_terms')
    await sql.execute('UPDATE chat_users SET sort_name = NULL')
  })
  t.strictSame(await names(ann, 'zoe'), [])
  const writer = new Writer(app.chatDatabase, () => {})
  await listUnlisted(new Queries(app.chatDatabase), writer)
  await writer.close()
  t.strictSame(await names(ann, 'zoe'), ['Zoë Café'])
})

test('a directory that is off is no route, and searches are limited', async t => {
  const off = await build(t, { chat: { directory: 'off' } })
  const [ann] = users(off, 'ann') as [User]
  for (const query of ['?query=a', '']) {
    t.match(await ann.call('GET', `/api/chat/users${query}`), { status: 404, body: { code: 'FEATURE_OFF' } })
  }

  const app = await build(t)
  const [bob, cleo] = users(app, 'bob', 'cleo') as [User, User]
  for (let count = 0; count < SEARCHES_PER_MINUTE; count++) await search(bob, 'x')
  const refused = await bob.call('GET', '/api/chat/users?query=x')
  t.match(refused, { status: 429, body: { code: 'TOO_MANY_REQUESTS' } })
  t.ok(Number(refused.headers['retry-after']) > 0)
  t.strictSame(await names(cleo, 'x'), [])
})

test('a host finds users in its own table', async t => {
  const asked: unknown[] = []
  const app = await build(t, {
    chat: {
      hooks: {
        async searchUsers (query, caller, limit) {
          asked.push([query, caller, limit])
          return ['ann', 'bob', 'cleo'].map(userId => ({ userId, displayName: `Host's ${userId}`, ...(userId === 'bob' ? { avatar: 'https://example.com/b.png' } : {}) }))
        }
      }
    }
  })
  const [ann] = users(app, 'ann') as [User]
  t.strictSame(await search(ann, 'any thing', '&limit=2'), {
    users: [
      { userId: 'bob', displayName: 'Host\'s bob', avatar: 'https://example.com/b.png', isBot: false },
      { userId: 'cleo', displayName: 'Host\'s cleo', avatar: null, isBot: false }
    ],
    nextCursor: null
  })
  t.strictSame(asked, [['any thing', { userId: 'ann' }, 2]])
})
