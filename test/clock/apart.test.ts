import t from 'tap'
import type { EventReader } from '../event-reader.js'
import { databaseOf, guess, HOUR, isOnline, isTyping, Person, SECOND, skipKind, startNode, waitFor, type Kind, type Node } from './scene.js'

/** Nodes on one database whose wall clocks differ, by seconds and by an hour. */

t.setTimeout(240_000)
// They mostly wait.
t.jobs = 2

const OFFSETS = [0, 3 * SECOND, -60 * SECOND, HOUR]

for (const kind of ['SQLite', 'PostgreSQL'] satisfies Kind[]) {
  t.test(kind, { skip: await skipKind(kind), buffered: true }, async t => {
    const env = await databaseOf(t, kind)
    const nodes: Node[] = []
    for (const offset of OFFSETS) nodes.push(await startNode(t, env, offset))
    const [ann, bob, cid] = ['ann', 'bob', 'cid'].map(id => new Person(id)) as [Person, Person, Person]
    const withBob = await ann.direct(nodes[0]!, bob)
    const withCid = await ann.direct(nodes[1]!, cid)
    // Each node has a stream of a user who shares a conversation with ann.
    const here = await Promise.all(nodes.map(async (node, index) => {
      const person = new Person(`here-${index}`)
      await ann.direct(node, person)
      return { person, stream: await person.stream(t, node) }
    }))
    const watching: EventReader[] = await Promise.all(nodes.map(async node => await ann.stream(t, node)))
    await bob.stream(t, nodes[0]!)
    const cids = await cid.stream(t, nodes[3]!)
    await cids.close()
    const closedAt = performance.now()

    // The order, whichever node takes the call.
    let message = await ann.send(nodes[0]!, withBob)
    let change = await ann.edit(nodes[0]!, message, 'edited')
    for (const [index, node] of [...nodes, ...nodes.toReversed()].entries()) {
      const id = index % 2 === 0 ? withCid : withBob
      const next = await ann.send(node, id)
      t.strictSame((await ann.list(nodes[(index + 1) % nodes.length]!)).slice(0, 2), id === withBob ? [withBob, withCid] : [withCid, withBob])
      const changed = await ann.edit(node, change, `edited ${index}`)
      t.ok(String(changed.editedAt) > String(change.editedAt), 'a later edit is later')
      change = changed
      if (id === withBob) {
        t.ok(String(next.createdAt) > String(message.createdAt), 'a later message is later')
        message = next
      }
    }

    // Counters that all nodes share.
    for (const node of nodes) await guess(node, 'mallory', 3)
    for (const node of nodes) {
      const locked = await guess(node, 'mallory', 1)
      t.equal(locked.status, 429, 'locked on each node')
      t.ok(Number(locked.headers['retry-after']) <= 60, `for a minute at most: ${locked.headers['retry-after']} s`)
    }
    for (const [index, node] of nodes.entries()) {
      const ticket = await ann.ticket(node)
      const stream = await ann.stream(t, nodes[(index + 1) % nodes.length]!, { ticket })
      await stream.close()
    }

    // A login on one node is valid on all nodes.
    for (const [index, node] of nodes.entries()) {
      const person = new Person(`login-${index}`)
      await person.register(node)
      for (const other of nodes) t.equal((await person.call(other, 'GET', '/api/chat/me')).status, 200)
    }

    // Typing lapses after 6 s, whichever node takes the call and whichever ends it.
    await Promise.all(nodes.map(async (node, index) => {
      const { person } = here[index]!
      const conversation = String((await ann.ok(nodes[0]!, 'POST', '/api/chat/conversations', { type: 'direct', userId: person.userId })).id)
      await person.typing(node, conversation)
      // Another node prolongs it.
      await person.typing(nodes[(index + 2) % nodes.length]!, conversation)
      const ms = await waitFor(watching, isTyping(person, false), 20 * SECOND)
      t.ok(ms > 5 * SECOND, `typing lapses after ${ms} ms`)
    }))

    t.notOk(performance.now() - closedAt < 14 * SECOND && watching.some(({ events }) => events.some(isOnline(cid, false))), 'who has left is online for 15 s')
    await waitFor(watching, isOnline(cid, false), 30 * SECOND)
    // Long enough for each node to have looked for dead nodes.
    for (const watcher of watching) {
      t.notOk(watcher.events.some(event => [bob, ...here.map(({ person }) => person)].some(person => isOnline(person, false)(event))), 'nobody clears another\'s streams')
      t.notOk(watcher.events.some(({ type }) => type === 'disconnect'))
    }
    for (const node of nodes) {
      const { participants } = await ann.conversation(node, withBob) as { participants: Array<{ isOnline: boolean }> }
      t.strictSame(participants.map(({ isOnline }) => isOnline), [true, true])
    }
  })
}
