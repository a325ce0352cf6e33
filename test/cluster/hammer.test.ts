import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ServerProcess } from '../chaos/server-process.js'
import { mint } from '../chaos/token.js'
import { connect, openEvents, type StreamEvent } from '../event-reader.js'
import { eventually } from '../hub/eventually.js'
import { Installation, kinds, skipWithout, type Kind } from './installation.js'

/** Nodes in processes of their own that all write to one conversation, while connections break. */

t.setTimeout(240_000)

/** For a run of one minute, set HAMMER_MS=60000. */
const WRITE_MS = Number(process.env.HAMMER_MS ?? 2000)
const WRITERS = 6

async function call<Body = { id: string }> (
  node: ServerProcess, userId: string, path: string, body?: object
): Promise<{ status: number, body: Body }> {
  const response = await fetch(node.origin + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${mint(userId)}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  return { status: response.status, body: await response.json() as Body }
}

async function start (t: Test, kind: Kind, count: number): Promise<{ installation: Installation, nodes: ServerProcess[], conversationId: string }> {
  const installation = await Installation.create(t, kind)
  const nodes = await Promise.all(Array.from({ length: count }, async () => await ServerProcess.create(installation.env)))
  t.teardown(async () => { await Promise.all(nodes.map(async node => { await node.dispose() })) })
  await Promise.all(nodes.map(async node => { await node.start() }))
  const people = ['ann', ...Array.from({ length: WRITERS }, (_, index) => `writer-${index}`)]
  for (const person of people) await call(nodes[0]!, person, '/api/chat/me')
  const { body } = await call(nodes[0]!, 'ann', '/api/chat/conversations', { type: 'group', participantIds: people.slice(1) })
  return { installation, nodes, conversationId: body.id }
}

interface Writing { sent: Array<{ id: string, seq: number }>, refused: number }

/** Writes on all nodes at once. Each writer uses one of them, and pauses after each message. */
async function hammer (nodes: ServerProcess[], conversationId: string, ms: number, pauseMs = 0): Promise<Writing> {
  const writing: Writing = { sent: [], refused: 0 }
  const until = performance.now() + ms
  await Promise.all(Array.from({ length: WRITERS }, async (_, index) => {
    for (let n = 0; performance.now() < until; n++) {
      try {
        const { status, body } = await call<{ id: string, seq: number }>(nodes[index % nodes.length]!, `writer-${index}`, '/api/chat/messages',
          { conversationId, text: `${index}.${n}`, clientId: `${n}` })
        if (status === 201) writing.sent.push(body)
        else writing.refused++
        if (pauseMs > 0) await sleep(pauseMs)
      } catch {
        writing.refused++
        await sleep(50)
      }
    }
  }))
  return writing
}

/** Follows the conversation on another node at each connection, like a client behind a load balancer. */
async function hop (nodes: ServerProcess[], conversationId: string, done: () => boolean): Promise<StreamEvent[]> {
  const seen: StreamEvent[] = []
  // From the beginning of the log
  let lastEventId: string | undefined
  for (let connection = Math.floor(Math.random() * nodes.length); !done() || connection === 0; connection++) {
    const node = nodes[connection % nodes.length]!
    const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
    const reader = await connect(`${node.origin}/api/sse?conversationId=${conversationId}`, { authorization: `Bearer ${mint('ann')}`, ...headers }).catch(() => undefined)
    if (reader === undefined) {
      await sleep(100)
      continue
    }
    await sleep(50 + Math.random() * 300)
    await reader.close()
    seen.push(...reader.events.filter(({ data }) => data.eventSeq !== undefined))
    lastEventId = reader.events.findLast(({ id }) => id !== undefined)?.id ?? lastEventId
  }
  return seen
}

async function checkLog (t: Test, installation: Installation, writing: Writing): Promise<number> {
  const { rows } = await installation.database.query<{ seq: number, position: string, message_seq: number | null, id: string | null }>(
    `SELECT e.seq, e.position, e.message_seq, m.id FROM chat_events e
     LEFT JOIN chat_messages m ON m.conversation = e.conversation AND m.seq = e.message_seq ORDER BY e.seq`)
  t.same(rows.map(({ seq }) => seq), rows.map((_, index) => index + 1), 'event numbers without a hole')
  const messages = rows.filter(row => row.message_seq !== null)
  t.same(messages.map(row => row.message_seq), messages.map((_, index) => index + 1), 'message numbers without a hole, in the order of the events')
  t.ok(rows.every(({ position }, index) => index === 0 || Number(position) >= Number(rows[index - 1]!.position)), 'in commit order')
  const byId = new Map(messages.map(row => [row.id, row.message_seq]))
  t.ok(writing.sent.every(({ id, seq }) => byId.get(id) === seq), 'what was answered is there')
  t.comment(`${writing.sent.length} messages, ${writing.refused} refused`)
  return rows.length
}

const inOrder = (events: StreamEvent[]): boolean => events.every(
  ({ data }, index) => index === 0 || data.eventSeq === (events[index - 1]!.data.eventSeq as number) + 1
)

for (const kind of kinds) {
  t.test(`two nodes told by ${kind}`, { skip: await skipWithout(kind) }, async t => {
    const { installation, nodes, conversationId } = await start(t, kind, 2)
    const follow = async (node: ServerProcess) => await openEvents(t, `${node.origin}/api/sse?conversationId=${conversationId}`, { authorization: `Bearer ${mint('ann')}` })
    const readers = [await follow(nodes[0]!), await follow(nodes[1]!), await follow(nodes[1]!)]
    let written = false
    const hoppers = [hop(nodes, conversationId, () => written), hop(nodes, conversationId, () => written)]
    const [writing] = await Promise.all([
      hammer(nodes, conversationId, WRITE_MS),
      (async () => {
        await sleep(WRITE_MS / 4)
        await installation.cutBus()
        await sleep(WRITE_MS / 4)
        await installation.endConnections()
        await sleep(WRITE_MS / 4)
        await installation.cutBus()
      })()
    ])
    await sleep(300)
    written = true
    t.ok(writing.sent.length > 20)
    const count = await checkLog(t, installation, writing)
    for (const reader of readers) {
      await eventually(() => reader.events.findLast(({ data }) => data.eventSeq !== undefined)?.data.eventSeq === count, 4000)
      const events = reader.events.filter(({ data }) => data.eventSeq !== undefined)
      t.ok(inOrder(events), 'every subscriber is told once and in order')
    }
    for (const events of await Promise.all(hoppers)) {
      t.ok(events.length > 5)
      t.ok(inOrder(events), 'and so is who hops')
    }
  })
}

t.test('a node is stopped for seconds, and goes on', { skip: await skipWithout('PostgreSQL') }, async t => {
  const { installation, nodes: [a, b], conversationId } = await start(t, 'PostgreSQL', 2) as { installation: Installation, nodes: [ServerProcess, ServerProcess], conversationId: string }
  const follow = async (node: ServerProcess) => await openEvents(t, `${node.origin}/api/sse?conversationId=${conversationId}`, { authorization: `Bearer ${mint('ann')}` })
  const readers = [await follow(a), await follow(b)]
  const both = hammer([a, b], conversationId, 9000, 50)
  await sleep(1000)
  // Probably in the middle of a transaction.
  b.signal('SIGSTOP')
  await sleep(1000)
  const meanwhile = readers[0]!.events.length
  await sleep(4500)
  t.ok(readers[0]!.events.length > meanwhile, 'the other one goes on')
  b.signal('SIGCONT')
  const count = await checkLog(t, installation, await both)
  for (const reader of readers) {
    await eventually(() => reader.events.findLast(({ data }) => data.eventSeq !== undefined)?.data.eventSeq === count, 5000)
    t.ok(inOrder(reader.events.filter(({ data }) => data.eventSeq !== undefined)))
  }
})
