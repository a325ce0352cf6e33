import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { FollowerError, retryDelay, retryDelays, type Follower } from '../../chat/followers/follower.js'
import type { FollowerEvent } from '../../chat/followers/rendering.js'
import { forgetDeletions, pruneEvents } from '../../chat/retention.js'
import type { LogEntry } from '../../store/reads/entries.js'
import { Writer } from '../../store/writer.js'
import { build, throwAwayStore, users, type BuildOptions, type User } from '../helper.js'
import { eventually } from '../hub/eventually.js'

retryDelays.ms = [50]

/** Two apps on one database. */
async function twoNodes (t: Test, chat: Array<BuildOptions['chat']> = [{}, {}]): Promise<FastifyInstance[]> {
  const { options, remove } = await throwAwayStore()
  t.teardown(remove)
  const apps: FastifyInstance[] = []
  for (const more of chat) apps.push(await build(t, { chat: { search: false, ...options, ...more } }))
  return apps
}

/** Notes what it gets, and does what `then` says. */
function noting (name: string, then: (entry: LogEntry) => void = () => {}, from: Follower['from'] = 'now'): Follower & { entries: LogEntry[] } {
  const entries: LogEntry[] = []
  return {
    name,
    from,
    entries,
    async follow (page, lead) {
      for (const entry of page) {
        entries.push(entry)
        then(entry)
        lead.passed(entry)
      }
    }
  }
}

const kinds = (entries: readonly LogEntry[]): string[] => entries.map(({ type, seq }) => `${type} ${seq}`)

t.test('onEvent gets each event as on a stream, in order, with contents as they are at that moment', async t => {
  const events: FollowerEvent[] = []
  const gate: { opens?: Promise<void> } = {}
  let failures = 1
  const app = await build(t, {
    chat: {
      hooks: {
        async onEvent (event) {
          await gate.opens
          if (event.type === 'statusUpdate' && failures-- > 0) throw new Error('not now')
          events.push(event)
        }
      }
    }
  })
  const [ann, bob] = users(app, 'ann', 'bob') as [User, User]
  const led = app.chat.followers
  await eventually(() => led.led('onEvent') !== undefined)
  const id = await ann.group([bob])
  await eventually(() => events.length === 1)
  let release = (): void => {}
  gate.opens = new Promise(resolve => { release = resolve })
  await ann.send(id, 'one')
  const secret = await ann.send(id, 'secret')
  await bob.mark(secret, 'read')
  await ann.ok('DELETE', `/api/chat/messages/${secret.id}`)
  await ann.ok('DELETE', `/api/chat/conversations/${id}/participants/bob`)
  release()
  await eventually(() => events.length === 6)
  t.strictSame(events.map(({ type }) => type),
    ['conversationCreated', 'message', 'message', 'statusUpdate', 'messageDeleted', 'participantLeft'])
  t.strictSame(events.map(({ data }) => data.eventSeq), [1, 2, 3, 4, 5, 6])
  t.match(events[1], { id: /^[a-z0-9]{10}\.\d+-[a-z0-9]{8}\.2$/, timestamp: /Z$/, data: { text: 'one', senderId: 'ann' } })
  t.notMatch(JSON.stringify(events), /secret/, 'what was deleted meanwhile is not told')

  await ann.ok('DELETE', `/api/chat/conversations/${id}`)
  await eventually(() => events.length === 7)
  t.match(events[6], { type: 'conversationDeleted', id: /\.7$/, data: { conversationId: id, eventSeq: 7 } })
})

t.test('what throws is tried again, and nothing overtakes it', async t => {
  const seen: string[] = []
  let failures = 2
  const app = await build(t)
  app.chat.followers.add(noting('stubborn', ({ type }) => {
    if (type === 'message' && failures-- > 0) {
      seen.push('failed')
      throw new FollowerError('not now')
    }
    seen.push(type)
  }))
  const [ann, bob] = users(app, 'ann', 'bob') as [User, User]
  await eventually(() => app.chat.followers.led('stubborn') !== undefined)
  const id = await ann.group([bob])
  await Promise.all([ann.send(id, 'one'), ann.send(id, 'two')])
  await eventually(() => seen.length === 5)
  t.strictSame(seen, ['conversationCreated', 'failed', 'failed', 'message', 'message'])
  t.equal(app.chat.followers.led('stubborn')?.failing, undefined)

  t.test('after pauses that grow, of which the receiver may ask for longer ones', async t => {
    const short = retryDelays.ms
    retryDelays.ms = [1000, 10_000]
    t.teardown(() => { retryDelays.ms = short })
    for (const [tries, ms] of [[1, 1000], [2, 10_000], [9, 10_000]] as const) {
      const delay = retryDelay(tries)
      t.ok(delay >= 0.8 * ms && delay <= 1.2 * ms, `${delay} after ${tries} tries`)
    }
    t.equal(retryDelay(1, 60_000), 60_000)
    t.equal(retryDelay(1, 24 * 3_600_000), 3_600_000, 'an hour at most')
  })
})

t.test('one node leads, and another goes on from where it stopped', async t => {
  const [one, two] = await twoNodes(t) as [FastifyInstance, FastifyInstance]
  const [first, second] = [noting('pair'), noting('pair')]
  const [ann, bob] = users(two, 'ann', 'bob') as [User, User]
  one.chat.followers.add(first)
  await eventually(() => one.chat.followers.led('pair') !== undefined)
  two.chat.followers.add(second)
  const id = await ann.group([bob])
  await ann.send(id, 'one')
  await eventually(() => first.entries.length === 2)
  t.equal(two.chat.followers.led('pair'), undefined)
  await one.close()
  await ann.send(id, 'two')
  await eventually(() => second.entries.length >= 1)
  t.strictSame(kinds(second.entries), ['message 3'])
  const [row] = await two.chat.followers.rows()
  t.match(row, { name: 'pair', gap: false })
  t.equal(two.chat.followers.behind(row!.position), 0)
  await two.chat.followers.remove(['pair'])
  t.strictSame(await two.chat.followers.rows(), [])
})

t.test('it takes over from a node that no longer renews its lease, which stops by itself', async t => {
  const [one, two] = await twoNodes(t) as [FastifyInstance, FastifyInstance]
  const [first, second] = [noting('lost'), noting('lost')]
  one.chat.followers.add(first)
  await eventually(() => one.chat.followers.led('lost') !== undefined)
  await two.chatDatabase.transaction(async sql => {
    await sql.execute("INSERT INTO chat_nodes (id, host, pid, expires_at) VALUES ('other', 'elsewhere', 1, ?)", two.chatDatabase.clock.ticks() + 3_600_000)
    await sql.execute("UPDATE chat_followers SET node_id = 'other', lease_until = ?", two.chatDatabase.clock.ticks() + 3_600_000)
  })
  await eventually(() => one.chat.followers.led('lost') === undefined)
  two.chat.followers.add(second)
  const [ann, bob] = users(two, 'ann', 'bob') as [User, User]
  await ann.group([bob])
  t.strictSame([...first.entries, ...second.entries], [], 'the third leads')
  await two.chatDatabase.transaction(async sql => { await sql.execute("UPDATE chat_nodes SET expires_at = 0 WHERE id = 'other'") })
  await eventually(() => [...first.entries, ...second.entries].length === 1)
})

t.test('from the start, through pages and transactions of any size, two followers with one read', async t => {
  const app = await build(t)
  const [ann, bob] = users(app, 'ann', 'bob') as [User, User]
  const ids = [await ann.group([bob]), await bob.group([ann])]
  await Promise.all(Array.from({ length: 600 }, async (_, n) => {
    await app.chat.sendMessage(n % 2 === 0 ? 'ann' : 'bob', { conversationId: ids[n % 2]!, text: String(n) })
  }))
  const [a, b] = [noting('a', undefined, 'start'), noting('b', undefined, 'start')]
  app.chat.followers.add(a)
  app.chat.followers.add(b)
  await eventually(() => a.entries.length >= 602 && b.entries.length >= 602)
  t.equal(a.entries.length, 602)
  t.strictSame(a.entries, b.entries)
  for (const id of ids) {
    t.strictSame(a.entries.filter(({ conversationId }) => conversationId === id).map(({ seq }) => seq), Array.from({ length: 301 }, (_, n) => n + 1))
  }
  t.strictSame(a.entries.map(({ position }) => position), a.entries.map(({ position }) => position).toSorted((x, y) => x - y))
})

t.test('the log is kept for those who are behind, a week longer than otherwise', async t => {
  // Without the follower of the search, which may be behind, too.
  const app = await build(t, { chat: { search: false } })
  const [ann, bob] = users(app, 'ann', 'bob') as [User, User]
  const writer = new Writer(app.chatDatabase, () => {})
  const { clock } = app.chatDatabase
  const id = await ann.group([bob])
  await ann.send(id, 'one')
  const gone = await ann.group([bob])
  await ann.ok('DELETE', `/api/chat/conversations/${gone}`)
  await app.chatDatabase.transaction(async sql => {
    await sql.execute("INSERT INTO chat_followers (name, position) VALUES ('behind', 1)")
    await sql.execute('UPDATE chat_events SET created_at = created_at - 86400000 * 3')
    await sql.execute('UPDATE chat_deletions SET deleted_at = deleted_at - 86400000 * 3')
  })
  const kept = async (): Promise<unknown> => ({
    events: await app.chatDatabase.prisma.event.count(),
    deletions: await app.chatDatabase.prisma.deletion.count(),
    gap: (await app.chat.followers.rows())[0]?.gap
  })
  const prune = async (): Promise<void> => {
    await pruneEvents(writer, clock, 2)
    await forgetDeletions(writer, clock.now())
  }
  await prune()
  t.strictSame(await kept(), { events: 2, deletions: 1, gap: false }, 'it is behind')
  await app.chatDatabase.transaction(async sql => {
    await sql.execute('UPDATE chat_events SET created_at = created_at - 86400000 * 7')
    await sql.execute('UPDATE chat_deletions SET deleted_at = deleted_at - 86400000 * 7')
  })
  await prune()
  t.strictSame(await kept(), { events: 0, deletions: 0, gap: true }, 'a week later, it has missed something')

  const age = async (days: number, follower: string, ...values: number[]): Promise<void> => {
    await app.chatDatabase.transaction(async sql => {
      await sql.execute(`UPDATE chat_events SET created_at = created_at - 86400000 * ${days}`)
      await sql.execute(`UPDATE chat_deletions SET deleted_at = deleted_at - 86400000 * ${days}`)
      await sql.execute(`UPDATE chat_followers SET ${follower}`, ...values)
    })
    await prune()
  }
  await ann.send(id, 'two')
  await ann.ok('DELETE', `/api/chat/conversations/${await ann.group([bob])}`)
  await age(3, 'lease_until = ?', clock.ticks() - 86_400_000 * 6)
  t.match(await kept(), { events: 1, deletions: 1 }, 'a node led it within a week')
  await age(0, 'lease_until = ?', clock.ticks() - 86_400_000 * 8)
  t.match(await kept(), { events: 0, deletions: 0, gap: true }, 'the log is no longer kept for what nobody leads')
  await ann.send(id, 'three')
  await age(3, 'gap = false')
  t.match(await kept(), { events: 1 }, 'but it is as long as nothing is missed')
  await age(0, 'position = 1000')
  t.match(await kept(), { events: 0 }, 'it is not behind any more')
})
