import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Installation } from '../cluster/installation.js'
import type { StreamEvent } from '../event-reader.js'
import { buildListening, user } from '../helper.js'
import { onPostgres, onSqlite, type Run } from '../log-end.js'
import { skipWithoutPostgres } from '../postgres.js'

/** Rows of the log that a newer version has written, as in a rolling deploy, or before it was rolled back. */

type Kind = 'SQLite' | 'PostgreSQL'

async function open (t: Test, kind: Kind): Promise<{ options: { databaseUrl: string, databaseSchema?: string }, run: () => Promise<Run> }> {
  if (kind === 'PostgreSQL') {
    const installation = await Installation.create(t, 'PostgreSQL')
    return { options: installation.options, run: async () => await onPostgres(t, installation.schema) }
  }
  const folder = mkdtempSync(join(tmpdir(), 'chat-test-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const file = join(folder, 'chat.db')
  return { options: { databaseUrl: `file:${file}` }, run: async () => onSqlite(t, file) }
}

let tags = 0

/** A transaction of another version's node: one event, which is not announced to any node here. */
const logUnknown = async (run: Run, id: string, type: string, detail: string): Promise<void> => {
  await run(
    'UPDATE chat_meta SET position = position + 1',
    `INSERT INTO chat_events (conversation, seq, position, type, user_id, message_seq, detail, created_at, tag)
       SELECT num, event_seq + 1, (SELECT position FROM chat_meta), '${type}', 'alice', 1, '${detail}', logged_at + 1, 'newer${String(tags++).padStart(3, '0')}'
       FROM chat_conversations WHERE id = '${id}'`,
    `UPDATE chat_conversations SET event_seq = event_seq + 1, position = (SELECT position FROM chat_meta), logged_at = logged_at + 1 WHERE id = '${id}'`)
}

const durable = (events: StreamEvent[]): unknown[] => events.filter(({ data }) => data['eventSeq'] !== undefined).map(({ data }) => [data['eventSeq'], data['text']])
const until = (text: string) => ({ data }: StreamEvent): boolean => data['text'] === text

for (const kind of ['SQLite', 'PostgreSQL'] as const) {
  t.test(`events of a type that this version does not know are passed over, on ${kind}`, { skip: kind === 'PostgreSQL' && await skipWithoutPostgres() }, async t => {
    const { options, run: runner } = await open(t, kind)
    const app = await buildListening(t, { chat: options })
    const run = await runner()
    const alice = await user(app, 'alice').arrive()
    const bob = user(app, 'bob')
    const id = await alice.direct(bob)
    const live = await Promise.all([{ conversationId: id }, {}].map(async query => await bob.stream(t, query)))
    const before = live.map(stream => stream.lastEventId!)

    await alice.send(id, 'one')
    await logUnknown(run, id, 'reactionAdded', 'thumbs up')
    await alice.send(id, 'two')
    await logUnknown(run, id, 'reactionAdded', 'thumbs down')
    await logUnknown(run, id, 'toString', 'what every object has')
    await alice.send(id, 'three')
    const expected = [[2, 'one'], [4, 'two'], [7, 'three']]
    for (const stream of live) t.strictSame(durable(await stream.until(until('three'))), expected, 'live, by filling the gaps')

    for (const [index, query] of [{ conversationId: id }, {}].entries()) {
      const resumed = await bob.stream(t, { ...query, lastEventId: before[index]! })
      t.strictSame(durable(await resumed.until(until('three'))), expected, 'resumed')
      t.notOk(resumed.events.some(({ type }) => type === 'reset'))
    }

    // The newest event is one of them: the sweep finds it, and nothing waits for it.
    await logUnknown(run, id, 'reactionRemoved', 'thumbs up')
    const [one] = live
    const raw = await one!.untilRaw(raw => /id: \S+\.8\n:\n\n$/.test(raw))
    const onIt = /id: (\S+\.8)\n/.exec(raw)![1]!
    const resumed = await bob.stream(t, { conversationId: id, lastEventId: onIt })
    await alice.send(id, 'four')
    for (const stream of [...live, resumed]) t.strictSame(durable(await stream.until(until('four'))), [[9, 'four']], 'and after it')
    t.notOk([...live, resumed].some(({ events }) => events.some(({ type }) => type === 'reset')))
  })
}
