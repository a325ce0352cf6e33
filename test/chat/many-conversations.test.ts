import { test } from 'tap'
import type { Sql } from '../../store/sql.js'
import { Queries } from '../../store/queries.js'
import { Hub } from '../../hub/hub.js'
import { buildListening, users, type User } from '../helper.js'
import { MemoryLog } from '../hub/memory-log.js'
import { MemorySink } from '../hub/memory-sink.js'

const MANY = 4500

/** Writes groups of two users directly to the database. */
async function addGroups (sql: Sql, count: number): Promise<void> {
  const rows = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count}) `
  await sql.execute(`${rows} INSERT INTO chat_conversations (id, type, created_by, created_at, updated_at, participant_count) SELECT 'many ' || i, 'group', 'ann', 0, 0, 2 FROM n`)
  for (const user of ['ann', 'bob']) {
    await sql.execute(`INSERT INTO chat_participants (conversation, user_id, role, joined_at, joined_seq, delivered_seq, read_seq)
      SELECT num, ?, 'member', 0, 0, 0, 0 FROM chat_conversations WHERE id LIKE 'many %'`, user)
  }
}

test('somebody with thousands of conversations: streams that open together read them once, in pages, and miss nothing', async t => {
  const app = await buildListening(t)
  const [ann, bob] = users(app, 'ann', 'bob') as [User, User]
  await ann.arrive()
  await bob.arrive()
  if (app.chatDatabase.provider !== 'sqlite') return t.comment('the groups are written with SQLite\'s recursion')
  await app.chatDatabase.transaction(async sql => { await addGroups(sql, MANY) })

  const statements: number[] = []
  const queries = new Queries({
    ...app.chatDatabase,
    read: {
      ...app.chatDatabase.read,
      async query<Row> (...params: Parameters<Sql['query']>) {
        const rows = await app.chatDatabase.read.query<Row>(...params)
        statements.push(rows.length)
        return rows
      }
    }
  })
  const found = await Promise.all(Array.from({ length: 19 }, async () => await queries.followed('ann', 0)))
  t.ok(found.every(conversations => conversations.length === MANY))
  t.ok(statements.length <= 2 * (1 + Math.ceil((MANY + 1) / 2000)), `${statements.length} statements`)
  t.ok(statements.every(rows => rows <= 2000), statements.join())

  const streams = await Promise.all(Array.from({ length: 5 }, async () => await ann.stream(t)))
  const sent = [await bob.send('many 1', 'first'), await bob.send(`many ${MANY}`, 'last')]
  for (const stream of streams) {
    const heard = [await stream.next('message'), await stream.next('message')]
    t.strictSame(heard.map(({ data }) => data.id).toSorted(), sent.map(({ id }) => id).toSorted())
  }
  const third = await bob.send('many 2', 'third')
  for (const stream of streams) t.equal((await stream.next('message')).data.id, third.id, 'and nothing twice')
  for (const stream of streams) await stream.close()
})

test('topics are made ready in slices, and forgotten when nobody follows them', async t => {
  const hub = new Hub<{ note: object }>()
  t.teardown(async () => { await hub.close() })
  await hub.useLog(new MemoryLog())
  const topics = Array.from({ length: 50_000 }, (_, index) => ({ topic: `topic ${index}`, head: 0 }))
  let turns = 0
  let ready = false
  const count = (): void => {
    if (ready) return
    turns++
    setImmediate(count)
  }
  setImmediate(count)
  const release = await hub.prepare(topics, hub.readPoint())
  ready = true
  t.ok(turns > 1, `${turns} turns for the others`)
  hub.subscribe(new MemorySink(), { topics: ['topic 7'] })
  release()
  t.equal(hub.topicCount, 1, 'only what is followed')
})
