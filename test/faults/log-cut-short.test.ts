import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { Installation } from '../cluster/installation.js'
import type { EventReader, StreamEvent } from '../event-reader.js'
import { buildListening, type User, user } from '../helper.js'
import { loseLast, onPostgres, onSqlite, type Run } from '../log-end.js'
import { skipWithoutPostgres } from '../postgres.js'

/** The log loses its end, as after a failover to a replica that lacks the newest transactions, and its numbers are used again. */

interface Scene {
  nodes: FastifyInstance[]
  /** Starts another node. */
  start: () => Promise<FastifyInstance>
  run: Run
  alice: User
  bob: User
  id: string
}

type Kind = 'SQLite' | 'PostgreSQL'

async function scene (t: Test, kind: Kind, count: number): Promise<Scene> {
  const { options, run } = kind === 'SQLite' ? sqlite(t) : await postgres(t)
  const start = async (): Promise<FastifyInstance> => await buildListening(t, { chat: options })
  const nodes: FastifyInstance[] = []
  for (let n = 0; n < count; n++) nodes.push(await start())
  const alice = await user(nodes[0]!, 'alice').arrive()
  const bob = user(nodes[0]!, 'bob')
  return { nodes, start, run: await run(), alice, bob, id: await alice.direct(bob) }
}

function sqlite (t: Test): { options: { databaseUrl: string }, run: () => Promise<Run> } {
  const folder = mkdtempSync(join(tmpdir(), 'chat-test-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const file = join(folder, 'chat.db')
  return { options: { databaseUrl: `file:${file}` }, run: async () => onSqlite(t, file) }
}

async function postgres (t: Test): Promise<{ options: Installation['options'], run: () => Promise<Run> }> {
  const installation = await Installation.create(t, 'PostgreSQL')
  return { options: installation.options, run: async () => await onPostgres(t, installation.schema) }
}

const at = (app: FastifyInstance, { id }: User): User => user(app, id)
const texts = (events: StreamEvent[]): unknown[] => events.filter(({ type }) => type === 'message').map(({ data }) => data['text'])
const until = (text: string) => ({ data }: StreamEvent): boolean => data['text'] === text
const ids = (events: StreamEvent[]): string[] => events.filter(({ data }) => data['eventSeq'] !== undefined).map(({ id }) => id!)

/** A stream of one conversation and one of all conversations, on each node. */
async function openAll (
  t: Test, { nodes, bob, id }: Scene
): Promise<Array<{ stream: EventReader, query: Record<string, string>, node: FastifyInstance }>> {
  const open = []
  for (const node of nodes) {
    for (const query of [{ conversationId: id }, {}]) open.push({ stream: await at(node, bob).stream(t, query), query, node })
  }
  return open
}

/** The events of a stream until its `reset`, after which it must end. */
async function untilReset (t: Test, stream: EventReader, conversationId: string | undefined): Promise<{ before: StreamEvent[], id: string }> {
  const events = await stream.until(({ type }) => type === 'reset')
  const reset = events.pop()!
  t.strictSame(reset.data, { conversationId: conversationId ?? null, reason: 'diverged' })
  t.match(await stream.next(), { type: 'disconnect', data: { reason: 'unavailable' } })
  t.ok(stream.retry! > 0, 'with a waiting time')
  await stream.ended
  return { before: events.filter(({ data }) => data['eventSeq'] !== undefined), id: reset.id! }
}

/** The first events of a stream that resumes after an id: `connected`, and a `reset` if there is one. */
async function resume (
  t: Test, node: FastifyInstance, bob: User, query: Record<string, string>, lastEventId: string
): Promise<{ stream: EventReader, resumed: unknown }> {
  const stream = await at(node, bob).openStream(t, query, { 'last-event-id': lastEventId })
  return { stream, resumed: (await stream.next('connected')).data['resumed'] }
}

for (const kind of ['SQLite', 'PostgreSQL'] as const) {
  const skip = kind === 'PostgreSQL' && await skipWithoutPostgres()
  for (const count of [1, 2]) {
    const name = `${kind}, ${count === 1 ? 'one node' : 'two nodes'}`

    t.test(`${name}: numbers that are given out again are no silence`, { skip }, async t => {
      const all = await scene(t, kind, count)
      const { nodes, run, alice, bob, id } = all
      const open = await openAll(t, all)
      for (let n = 1; n <= 6; n++) await alice.send(id, `old ${n}`)
      const seen = await Promise.all(open.map(async ({ stream }) => await stream.until(until('old 6'))))
      await loseLast(run, 4)
      // More than was lost, before any node has checked.
      for (let n = 1; n <= 5; n++) await alice.send(id, `new ${n}`)
      const log = ['old 1', 'old 2', 'new 1', 'new 2', 'new 3', 'new 4', 'new 5']

      for (const [index, { stream, query, node }] of open.entries()) {
        const label = `${query.conversationId === undefined ? 'all' : 'one'} on node ${nodes.indexOf(node) + 1}`
        const { before, id: resetId } = await untilReset(t, stream, query.conversationId)
        t.strictSame(texts(before), [], `${label}: nothing new before the reset`)

        for (const [n, lost] of ids(seen[index]!).slice(-6).entries()) {
          const { stream: again, resumed } = await resume(t, node, bob, query, lost)
          t.equal(resumed, n < 2, `${label}: after old ${n + 1}`)
          if (n < 2) {
            const got = texts(await again.until(until(log.at(-1)!)))
            // A stream of all conversations may begin earlier, with events that it has sent before.
            t.strictSame(got, log.slice(query.conversationId === undefined ? -got.length : n + 1), `${label}: exactly what the log has`)
            t.ok(got.length >= log.length - n - 1)
          } else t.match(await again.next(), { type: 'reset', data: { conversationId: query.conversationId ?? null, reason: 'diverged' } })
          await again.close()
        }

        const back = await resume(t, node, bob, query, resetId)
        t.equal(back.resumed, true, `${label}: the id of the reset is a place`)
        await alice.send(id, `after ${index}`)
        t.notOk((await back.stream.until(until(`after ${index}`))).some(({ type }) => type === 'reset'))
        await back.stream.close()
        log.push(`after ${index}`)
      }
      const { messages } = await bob.ok<{ messages: Array<{ text: string, seq: number }> }>('GET', `/api/chat/conversations/${id}/messages`)
      t.strictSame(messages.map(({ text }) => text), log)
      t.strictSame(messages.map(({ seq }) => seq), log.map((_, index) => index + 1))
    })

    t.test(`${name}: a log that went back is noticed although nothing is written`, { skip }, async t => {
      const all = await scene(t, kind, count)
      const { run, alice, bob, id } = all
      const open = await openAll(t, all)
      for (let n = 1; n <= 3; n++) await alice.send(id, `old ${n}`)
      const seen = await Promise.all(open.map(async ({ stream }) => await stream.until(until('old 3'))))
      await loseLast(run, 2)
      for (const [index, { stream, query, node }] of open.entries()) {
        await untilReset(t, stream, query.conversationId)
        const { stream: again, resumed } = await resume(t, node, bob, query, ids(seen[index]!).at(-1)!)
        t.equal(resumed, false)
        t.match(await again.next(), { type: 'reset', data: { reason: 'ahead' } }, 'nothing has that number')
        await again.close()
      }
    })
  }

  t.test(`${kind}: a conversation and users that are lost`, { skip }, async t => {
    const { nodes, run, alice, bob } = await scene(t, kind, 1)
    const zed = await user(nodes[0]!, 'zed').arrive()
    const group = await alice.group([bob])
    const [one, all] = [await bob.stream(t, { conversationId: group }), await bob.stream(t)]
    await alice.send(group, 'x')
    for (const stream of [one, all]) await stream.until(until('x'))
    await loseLast(run, 2)
    await run('DELETE FROM chat_users WHERE id = \'zed\'')
    // The sweep may notice the loss meanwhile, which ends a stream that is being opened.
    const opened = await zed.stream(t).catch(async () => await zed.stream(t))
    t.equal(opened.status, 200, 'who was known is made known again')
    await untilReset(t, one, group)
    await untilReset(t, all, undefined)
    t.equal((await bob.call('GET', `/api/sse?conversationId=${group}`)).status, 404)
    t.match(await zed.call('POST', '/api/chat/conversations', { type: 'direct', userId: 'alice' }), { status: 201 })
  })

  t.test(`${kind}: ids of catching up name the event and the position`, { skip }, async t => {
    const { nodes: [node], run, alice, bob, id } = await scene(t, kind, 1)
    const other = await alice.group([bob])
    const start = (await bob.stream(t)).lastEventId!
    for (let n = 1; n <= 2; n++) for (const conversation of [id, other]) await alice.send(conversation, `${conversation} ${n}`)
    const catching = await resume(t, node!, bob, {}, start)
    const partial = ids(await catching.stream.until(until(`${other} 2`)))
    t.equal(partial.length, 4)
    t.ok(partial.every(place => place.split('.').length === 6), 'they tell how far catching up is')
    for (const place of partial) {
      const again = await resume(t, node!, bob, {}, place)
      t.equal(again.resumed, true, place)
      await again.stream.close()
    }
    await loseLast(run, 1)
    await alice.send(id, 'new')
    await alice.send(other, 'new')
    for (const place of partial) {
      const { stream, resumed } = await resume(t, node!, bob, {}, place)
      t.equal(resumed, false, `${place} claims what was lost`)
      t.match(await stream.next(), { type: 'reset', data: { conversationId: null, reason: 'diverged' } })
    }
  })

  t.test(`${kind}: what can't be compared any more is judged by its number`, { skip }, async t => {
    const { nodes: [node], start, run, alice, bob, id } = await scene(t, kind, 1)
    const other = await alice.group([bob])
    const [one, all] = [await bob.stream(t, { conversationId: id }), await bob.stream(t)]
    await alice.send(id, 'first')
    const [placeOne] = ids(await one.until(until('first')))
    // An id that claims all that was shown: a busy node may first give one that claims less
    let placeAll
    do {
      await alice.send(other, 'seen')
      placeAll = ids(await all.until(until('seen'))).at(-1)!
    } while (/-\d+\.\d+$/.test(placeAll))
    // As if a conversation was deleted.
    await run(`DELETE FROM chat_events WHERE conversation = (SELECT num FROM chat_conversations WHERE id = '${other}') AND type = 'message'`)
    await alice.send(id, 'second')
    const places: Array<[Record<string, string>, string]> = [[{}, placeAll], [{ conversationId: id }, placeOne!]]
    // Event ids of a version without tags.
    for (const [query, place] of [...places]) places.push([query, place.replace(/-[a-z0-9]+/, '')])
    for (const [query, place] of places) {
      const { stream, resumed } = await resume(t, node!, bob, query, place)
      t.equal(resumed, true, place)
      t.strictSame(texts(await stream.until(until('second'))), ['second'], place)
      await stream.close()
    }
    // Rows of a version without tags.
    await run('UPDATE chat_events SET tag = NULL')
    const fresh = await start()
    const restarted = await resume(t, fresh, bob, { conversationId: id }, placeOne!.replace(/-[a-z0-9]+/, ''))
    t.equal(restarted.resumed, true)
    const [second] = ids(await restarted.stream.until(until('second')))
    t.match(second, /^[a-z0-9]+\.\d+-\d{13}\.\d+$/, 'have the instant in its place')
    t.equal((await resume(t, fresh, bob, { conversationId: id }, second!)).resumed, true)
    t.equal((await resume(t, fresh, bob, { conversationId: id }, second!.replace(/-\d/, '-9'))).resumed, false)
  })
}
