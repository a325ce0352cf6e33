import { Writable } from 'node:stream'
import { test, type Test } from 'tap'
import type { Emission } from '../../hub/emission.js'
import { hiddenFrom } from '../../hub/hidden.js'
import { Hub, type HubOptions } from '../../hub/hub.js'
import type { Stream } from '../../hub/stream.js'
import { eventually } from './eventually.js'
import { MemoryLog } from './memory-log.js'
import { MemorySink } from './memory-sink.js'

/** The hub alone, without HTTP and without the chat. */

interface Events {
  note: { n: number }
  hint: { text: string }
}

function start (t: Test, options: HubOptions = {}): Hub<Events> {
  const hub = new Hub<Events>(options)
  t.teardown(async () => { await hub.close() })
  return hub
}

const numbers = (sink: MemorySink): unknown[] => sink.events.map(({ data }) => data['n'])
const note = (n: number, ...topics: string[]): Emission<Events> => ({ type: 'note', data: { n }, topics })

test('an event goes to the followers of its topics, in order, each once', async (t) => {
  const hub = start(t)
  const [a, b, both, none] = [new MemorySink(), new MemorySink(), new MemorySink(), new MemorySink()]
  hub.subscribe(a, { topics: ['a'] })
  hub.subscribe(b, { topics: ['b'] })
  hub.subscribe(both, { topics: ['a', 'b'] })
  hub.subscribe(none, { topics: [] })
  hub.emit(note(1, 'a'), note(2, 'b'), note(3, 'a'), note(4, 'a', 'b'), note(5, 'nobody'), note(6))
  await eventually(() => numbers(both).length === 4)
  t.strictSame(numbers(a).sort(), [1, 3, 4])
  t.strictSame(numbers(b).sort(), [2, 4])
  t.strictSame(numbers(both).toSorted(), [1, 2, 3, 4])
  t.strictSame(numbers(a).filter(n => n !== 4), [1, 3], 'those of one topic in order')
  t.equal(none.text, '')
})

test('an event of a user goes to those of their streams that follow a topic, and to nobody else', async (t) => {
  const hub = start(t)
  const [within, both, outside, other] = [new MemorySink(), new MemorySink(), new MemorySink(), new MemorySink()]
  hub.subscribe(within, { userId: 'ann', topics: ['a'] })
  hub.subscribe(both, { userId: 'ann', topics: ['a', 'b'] })
  hub.subscribe(outside, { userId: 'ann', topics: ['b'] })
  hub.subscribe(other, { userId: 'ben', topics: ['a'] })
  hub.emit({ ...note(1), users: ['ann'], within: 'a' }, { ...note(2), users: ['ann'] }, note(3, 'a', 'b'))
  await eventually(() => [within, both, outside, other].every(sink => numbers(sink).includes(3)))
  t.strictSame([within, both, outside, other].map(sink => numbers(sink).sort()), [[1, 2, 3], [1, 2, 3], [2, 3], [3]])
})

test('an event is one line of data, whatever is in it', async (t) => {
  const hub = start(t)
  const sink = new MemorySink()
  hub.subscribe(sink, { topics: ['a'] })
  const texts = ['a\nb', 'a\r\nb\rc', '\u2028\u2029', 'data: x\n\nevent: y', '\u0000\u0007', '😀', '']
  for (const text of texts) hub.emit({ type: 'hint', data: { text }, topics: ['a'] })
  await eventually(() => sink.text.split('\n\n').length === texts.length + 1)
  // Parsers that split at Unicode's line ends find none, either.
  const json = (text: string): string => JSON.stringify({ text }).replace('\u2028', '\\u2028').replace('\u2029', '\\u2029')
  t.equal(sink.text, texts.map(text => `event: hint\ndata: ${json(text)}\n\n`).join(''))
})

test('all of one turn is one write, made once for all', async (t) => {
  const hub = start(t)
  const writes: Buffer[][] = [[], []]
  for (const list of writes) {
    const sink = new MemorySink()
    const write = sink.write.bind(sink)
    sink.write = ((chunk: Buffer) => { list.push(chunk); return write(chunk) }) as typeof sink.write
    hub.subscribe(sink, { topics: ['a'] })
  }
  for (let n = 1; n <= 5; n++) hub.emit(note(n, 'a'))
  await eventually(() => hub.counters.deliveries === 10)
  t.strictSame(writes.map(list => list.length), [1, 1])
  t.equal(writes[0]![0], writes[1]![0], 'the same bytes')
})

test('who is spared an event', async (t) => {
  const hub = start(t)
  const open = (userId: string, echo: boolean): MemorySink => {
    const sink = new MemorySink()
    hub.start({ id: crypto.randomUUID(), userId, sink, all: false, echo, expiresAt: null, follows: [{ topic: 'a', head: 0 }] })
    return sink
  }
  const [own, echo, other] = [open('me', false), open('me', true), open('you', false)]
  hub.emit({ ...note(1, 'a'), except: 'me' }, { ...note(2, 'a'), except: 'me', neverToThem: true }, note(3, 'a'))
  await eventually(() => numbers(own).length === 1 && numbers(other).length === 3)
  t.strictSame([numbers(own), numbers(echo), numbers(other)], [[3], [1, 3], [1, 2, 3]])
})

test('users from whom an event is hidden, and the only one whom it is for', async (t) => {
  const hub = start(t)
  const open = (userId: string, ...topics: string[]): MemorySink => {
    const sink = new MemorySink()
    const follows = topics.map(topic => ({ topic, head: 0 }))
    hub.start({ id: crypto.randomUUID(), userId, sink, all: topics.length > 1, echo: true, expiresAt: null, follows })
    return sink
  }
  const [both, mine, yours, apart] = [open('me', 'a', 'b'), open('me', 'a'), open('you', 'a', 'b'), open('me', 'c')]
  const many = Array.from({ length: 1000 }, (_, index) => `user ${index}`)
  hub.emit({ ...note(1, 'a'), hidden: hiddenFrom(['me']) }, { ...note(2, 'a', 'b'), hidden: hiddenFrom([...many, 'me']) })
  hub.emit({ ...note(3, 'a'), only: 'me' }, { ...note(4, 'a', 'b'), only: 'me' }, { ...note(5, 'a', 'b'), hidden: hiddenFrom(many) }, { ...note(6, 'c'), users: ['you'] })
  await eventually(() => numbers(yours).length === 4 && numbers(both).length === 3 && numbers(apart).length === 1)
  t.strictSame([both, mine, yours, apart].map(sink => numbers(sink).toSorted()), [[3, 4, 5], [3, 4, 5], [1, 2, 5, 6], [6]])
  t.equal(hiddenFrom(many).length, 6000, 'a thousand users fit into a message of any bus')
})

test('a large audience is served in slices, and nobody is forgotten', async (t) => {
  const hub = start(t)
  const sinks = Array.from({ length: 2500 }, () => new MemorySink())
  for (const sink of sinks) hub.subscribe(sink, { topics: ['crowd'] })
  let waiting = 0
  const few = new MemorySink()
  few.onWrite = () => { waiting = sinks.filter(({ text }) => text === '').length }
  hub.subscribe(few, { topics: ['few'] })
  hub.emit(note(1, 'crowd'), note(2, 'crowd'))
  hub.emit(note(3, 'few'))
  await eventually(() => numbers(few).length === 1)
  t.ok(waiting > 0, 'a small one doesn\'t wait for it')
  hub.emit(note(4, 'crowd'))
  await eventually(() => sinks.every(sink => numbers(sink).length === 3))
  t.ok(sinks.every(sink => numbers(sink).join() === '1,2,4'))
})

test('large writes fill a slice sooner, on streams of one topic and of all', async (t) => {
  const hub = start(t)
  let written = 0
  const most: Record<string, number> = {}
  const sinkOf = (kind: string): MemorySink => {
    const sink = new MemorySink()
    sink.write = (() => {
      // As a kernel takes a megabyte.
      for (const until = performance.now() + 1; performance.now() < until;);
      most[kind] = Math.max(most[kind] ?? 0, ++written)
      return true
    }) as typeof sink.write
    return sink
  }
  let next = setImmediate(function turn () {
    written = 0
    next = setImmediate(turn)
  })
  t.teardown(() => { clearImmediate(next) })
  const text = 'x'.repeat(1024 * 1024)
  for (let n = 0; n < 60; n++) hub.subscribe(sinkOf('one'), { topics: ['one'] })
  hub.emit({ type: 'hint', data: { text }, topics: ['one'] })
  await eventually(() => hub.counters.writes === 60)
  for (let n = 0; n < 60; n++) {
    hub.start({ id: `${n}`, userId: 'u', sink: sinkOf('all'), all: true, echo: false, expiresAt: null, follows: [{ topic: 'all', head: 0 }] })
  }
  hub.emit({ type: 'hint', data: { text }, topics: ['all'] })
  await eventually(() => hub.counters.writes === 120)
  t.ok(most.one! <= 20 && most.all! <= 20, `at most ${most.one} and ${most.all} in one turn`)
})

test('a subscriber that comes or goes in the middle of a turn', async (t) => {
  const hub = start(t)
  const sinks = Array.from({ length: 1500 }, () => new MemorySink())
  const streams = sinks.map(sink => hub.subscribe(sink, { topics: ['a'] }))
  hub.emit(note(1, 'a'))
  await new Promise(resolve => setImmediate(resolve))
  const [late] = [new MemorySink()]
  hub.subscribe(late, { topics: ['a'] })
  for (const stream of streams.slice(1200)) hub.end(stream, 'shutdown')
  hub.emit(note(2, 'a'))
  await eventually(() => numbers(late).length >= 1 && sinks.slice(0, 1200).every(sink => numbers(sink).length === 2))
  t.strictSame(numbers(late), [2], 'what was under way is not for who comes later')
  t.equal(hub.streamCount, 1201)
})

test('ending: told why, closed, forgotten', async (t) => {
  const closed: string[] = []
  const hub = start(t)
  await hub.useLog(new MemoryLog<Events>(), { closed: stream => { closed.push(stream.id) }, expiring () {}, diverged () {} })
  const sinks = [new MemorySink(), new MemorySink(), new MemorySink()]
  const [one, two] = sinks.map(sink => hub.subscribe(sink, { topics: ['a'] })) as [Stream, Stream, Stream]
  hub.end(one, 'removed')
  hub.end(one, 'shutdown')
  await eventually(() => closed.includes(one.id))
  t.strictSame(sinks[0]!.events, [{ type: 'disconnect', data: { reason: 'removed', retryAfterMs: null }, id: undefined }], 'once')
  sinks[1]!.destroy()
  await eventually(() => closed.includes(two.id))
  hub.emit(note(1, 'a'))
  await hub.endAll('shutdown')
  t.equal(hub.streamCount, 0)
  await eventually(() => hub.topicCount === 0)
  t.match(sinks[2]!.events.at(-1), { type: 'disconnect', data: { reason: 'shutdown', retryAfterMs: Number } })
  t.match(sinks[2]!.text, /^retry: \d+$/m)
  const late = new MemorySink()
  hub.subscribe(late, { topics: ['a'] })
  t.match(late.events, [{ type: 'disconnect', data: { reason: 'shutdown' } }], 'whoever comes later is told at once')
})

test('an expired stream ends; a renewed one goes on', async (t) => {
  const hub = start(t)
  const [brief, renewed] = [new MemorySink(), new MemorySink()]
  hub.subscribe(brief, { topics: ['a'], expiresAt: Date.now() + 60 })
  hub.subscribe(renewed, { topics: ['a'], expiresAt: Date.now() + 60 }).extend(null)
  await eventually(() => brief.events.length > 0)
  t.match(brief.events[0], { type: 'disconnect', data: { reason: 'token_expired', retryAfterMs: 0 } })
  let passed = false
  hub.clock.after(100, () => { passed = true })
  await eventually(() => passed)
  t.equal(renewed.text, '')
})

test('heartbeats', async (t) => {
  const hub = start(t, { heartbeatMs: 60 })
  const sink = new MemorySink()
  hub.subscribe(sink, { topics: ['a'] })
  await eventually(() => sink.text.startsWith(': heartbeat\n: heartbeat\n'))
  t.pass()
})

test('durable events come in their order, whatever order they are told in', async (t) => {
  const hub = start(t)
  const log = new MemoryLog<Events>()
  await hub.useLog(log)
  const sink = new MemorySink()
  hub.start({ id: 's', userId: 'u', sink, all: false, echo: false, expiresAt: null, follows: [{ topic: 'a', head: 0 }] })
  const told = Array.from({ length: 6 }, (_, index) => log.append(note(index + 1, 'a')))
  hub.emit(told[1]!, told[0]!, told[1]!)
  hub.emit(told[4]!)
  hub.emit(told[3]!, told[0]!)
  await eventually(() => numbers(sink).length === 6)
  t.strictSame(numbers(sink), [1, 2, 3, 4, 5, 6], 'the missing ones are read from the log')
  t.strictSame(sink.events.map(({ id }) => id), told.map(({ id }) => id))
  t.ok(hub.counters.gaps >= 1)
})

test('what was read for one is kept for the next, unless more has happened since', async (t) => {
  const log = new MemoryLog<Events>()
  for (let n = 1; n <= 3; n++) log.append(note(n, 'a'))
  const hub = start(t)
  await hub.useLog(log)
  let reads = 0
  const { read } = log
  log.read = async (...args) => {
    reads++
    const page = await read.apply(log, args)
    // As a message that has been edited since.
    return page.map(event => ({ ...event, data: { n: (event.data as { n: number }).n + 10 * (log.newest('a') - 3) } })) as typeof page
  }
  const resume = async (): Promise<unknown[]> => {
    const sink = new MemorySink()
    const head = log.newest('a')
    hub.start({ id: `${Math.random()}`, userId: 'u', sink, all: false, echo: false, expiresAt: null, follows: [{ topic: 'a', head, after: 0 }] })
    await eventually(() => numbers(sink).length === head)
    return numbers(sink)
  }
  t.strictSame(await resume(), [1, 2, 3])
  t.strictSame(await resume(), [1, 2, 3])
  t.equal(reads, 1, 'once')
  hub.emit(log.append(note(4, 'a')))
  hub.settle(4)
  t.strictSame(await resume(), [11, 12, 13, 14], 'as they are now')
})

test('a topic that ends: its streams end, and those of all topics are told and go on without it', async (t) => {
  for (const how of ['here', 'found in the log'] as const) {
    const end: Emission<Events> = { type: 'hint', data: { text: 'the end' }, topics: ['a'], ends: true }
    class EndingLog extends MemoryLog<Events> {
      ended: Array<Emission<Events>> = []
      async endedSince () {
        return this.ended
      }
    }
    const log = new EndingLog()
    for (const topic of ['a', 'b']) log.append(note(1, topic))
    const hub = start(t)
    await hub.useLog(log)
    const [one, all] = [new MemorySink(), new MemorySink()]
    const follows = ['a', 'b'].map(topic => ({ topic, head: 1, after: 1 }))
    hub.start({ id: 'one', userId: 'u', sink: one, all: false, echo: true, expiresAt: null, follows: follows.slice(0, 1) })
    hub.start({ id: 'all', userId: 'u', sink: all, all: true, echo: true, expiresAt: null, follows })
    if (how === 'here') {
      hub.emit(end)
    } else {
      // Another node ended the topic, and nothing was heard of it but that there is a newer transaction
      log.ended = [end]
      log.append(note(2, 'c'))
      await hub.sweep()
    }
    await eventually(() => all.events.length === 1)
    t.match(all.events, [{ type: 'hint', data: { text: 'the end' }, id: undefined }], how)
    t.match(one.events, [{ type: 'disconnect', data: { reason: 'removed', retryAfterMs: null } }], how)
    for (const topic of ['a', 'b']) hub.emit(log.append(note(9, topic)))
    await eventually(() => all.events.length === 2)
    t.strictSame([all.events.length, one.events.length, hub.topicCount], [2, 1, 1], how)
    t.equal(all.events[1]!.type, 'note')
    await hub.endAll()
  }
})

test('a stream that resumes while its node is reading what it missed has not seen that', async (t) => {
  const hub = start(t)
  let release = (): void => {}
  const held = new Promise<void>(resolve => { release = resolve })
  class SlowLog extends MemoryLog<Events> {
    override async read (topic: string, after: number, limit: number) {
      if (topic === 'a') await held
      return await super.read(topic, after, limit)
    }
  }
  const log = new SlowLog()
  for (const topic of ['a', 'b']) log.append(note(1, topic))
  await hub.useLog(log)
  const follows = (heads: { a: number }): Array<{ topic: string, head: number, after: number }> =>
    [{ topic: 'a', head: heads.a, after: 1 }, { topic: 'b', head: 1, after: 1 }]
  hub.start({ id: 'o', userId: 'o', sink: new MemorySink(), all: true, echo: true, expiresAt: null, follows: follows({ a: 1 }) })
  // Another node commits an event and dies. This one finds it in the log, and reads it.
  log.append(note(2, 'a'))
  await hub.sweep()
  t.equal(hub.position, 3)
  const sink = new MemorySink()
  const cursor = (): string => 'where the client was'
  hub.start({ id: 's', userId: 'u', sink, all: true, echo: true, expiresAt: null, follows: follows({ a: 2 }), resumed: () => ({ cursor, after: () => cursor }) })
  const tell = (n: number): void => {
    const logged = log.append(note(n, 'b'))
    hub.emit(logged)
    hub.settle(logged.position!, logged.tag)
  }
  tell(3)
  await eventually(() => numbers(sink).length === 1)
  t.equal(sink.events[0]!.id, 'where the client was', 'the other event may come before it, but its id does not cover what is missing')
  release()
  await eventually(() => numbers(sink).length === 2)
  t.strictSame(numbers(sink), [3, 2])
  tell(4)
  await eventually(() => numbers(sink).length === 3)
  t.equal(sink.events[2]!.id, 'all.5.tag5')
})

test('who falls behind as they come in reads from there on, and not what was before', async (t) => {
  const hub = start(t)
  const log = new MemoryLog<Events>()
  await hub.useLog(log)
  hub.start({ id: 'o', userId: 'o', sink: new MemorySink(), all: false, echo: true, expiresAt: null, follows: [{ topic: 'a', head: 0 }] })
  const sink = new MemorySink()
  const stream = hub.start({ id: 's', userId: 'u', sink, all: true, echo: true, expiresAt: null })
  stream.hasRoomFor = () => false
  for (const emission of [note(1, 'a'), { ...note(2, 'a'), joins: ['u'] }, note(3, 'a')]) {
    const logged = log.append(emission)
    hub.emit(logged)
    hub.settle(logged.position!)
  }
  await eventually(() => numbers(sink).length === 2)
  t.strictSame(numbers(sink), [2, 3])
})

test('who has left is not brought in again by a join that is heard of late, or twice', async (t) => {
  const hub = start(t)
  let heard = (): void => {}
  let release = (): void => {}
  const held = new Promise<void>(resolve => { release = resolve })
  class SlowLog extends MemoryLog<Events> {
    override async joinedSince (position: number) {
      const joined = await super.joinedSince(position)
      heard()
      await held
      return joined
    }
  }
  const log = new SlowLog()
  await hub.useLog(log)
  const sink = new MemorySink()
  hub.start({ id: 's', userId: 'u', sink, all: true, echo: true, expiresAt: null })
  const join = log.append({ ...note(1, 'a'), joins: ['u'] })
  // The sweep reads who has joined …
  const asked = new Promise<void>(resolve => { heard = resolve })
  const sweep = hub.sweep()
  await asked
  // … while the bus delivers it, and the leave after it.
  const leave = log.append({ ...note(2, 'a'), leaves: 'u' })
  for (const emission of [join, leave]) hub.received(emission, undefined)
  await eventually(() => numbers(sink).length === 2)
  release()
  await sweep
  hub.received(join, undefined)
  const back = log.append({ ...note(3, 'a'), joins: ['u'] })
  hub.received(back, undefined)
  await eventually(() => numbers(sink).length >= 3)
  t.strictSame(numbers(sink), [1, 2, 3])
})

test('by a join comes in a stream of all topics; one of the topic that is there already misses nothing before it', async (t) => {
  const hub = start(t)
  const log = new MemoryLog<Events>()
  await hub.useLog(log)
  const [one, all] = [new MemorySink(), new MemorySink()]
  // Resumed on a node that does not know yet that the user is back.
  hub.start({ id: 'o', userId: 'u', sink: one, all: false, echo: true, expiresAt: null, follows: [{ topic: 'a', head: 0 }] })
  hub.start({ id: 'a', userId: 'u', sink: all, all: true, echo: true, expiresAt: null })
  for (const emission of [note(1, 'a'), { ...note(2, 'a'), joins: ['u'] }, note(3, 'a')]) hub.received(log.append(emission), undefined)
  await eventually(() => numbers(one).length >= 2 && numbers(all).length === 2)
  t.strictSame([numbers(one), numbers(all)], [[1, 2, 3], [2, 3]])
})

test('the only follower leaves, and somebody comes in, in one transaction or as the follower goes', async (t) => {
  for (const how of ['leaves', 'closes'] as const) {
    const hub = start(t)
    const log = new MemoryLog<Events>()
    await hub.useLog(log)
    const [leaving, coming] = [new MemorySink(), new MemorySink()]
    const stream = hub.start({ id: 'u', userId: 'u', sink: leaving, all: true, echo: true, expiresAt: null })
    hub.start({ id: 'v', userId: 'v', sink: coming, all: true, echo: true, expiresAt: null })
    const emit = (...emissions: Array<Emission<Events>>): void => {
      const logged = emissions.map(emission => log.append(emission))
      hub.emit(...logged)
      for (const { position } of logged) hub.settle(position!)
    }
    emit({ ...note(1, 'a'), joins: ['u'] })
    await eventually(() => numbers(leaving).length === 1)
    emit(...how === 'leaves' ? [{ ...note(2, 'a'), leaves: 'u' }] : [], { ...note(3, 'a'), joins: ['v'] })
    if (how === 'closes') stream.destroy()
    await eventually(() => numbers(coming).length === 1)
    emit(note(4, 'a'))
    await eventually(() => numbers(coming).length === 2)
    t.strictSame(numbers(coming), [3, 4], how)
  }
})

test('a text that is deleted while somebody catches up does not come from a kept page', async (t) => {
  const hub = start(t)
  const log = new MemoryLog<Events>()
  await hub.useLog(log)
  for (let n = 1; n <= 3; n++) log.append(note(n, 'a'))
  const { read } = log
  log.read = async (...args) => (await read.apply(log, args)).map(event => ({ ...event, data: { n: log.newest('a') > 3 ? 0 : 1 } })) as Awaited<ReturnType<typeof read>>
  const resume = (sink: MemorySink): void => {
    hub.start({ id: `${Math.random()}`, userId: 'u', sink, all: false, echo: false, expiresAt: null, follows: [{ topic: 'a', head: 3, after: 0 }] })
  }
  const quick = new MemorySink()
  resume(quick)
  await eventually(() => numbers(quick).length === 3)
  const slow = new MemorySink()
  let takes = false
  Object.defineProperty(slow, 'writableLength', { get: () => takes ? 0 : 1 })
  resume(slow)
  const deleted = log.append(note(4, 'a'))
  hub.emit(deleted)
  hub.settle(deleted.position!)
  await eventually(() => numbers(quick).length === 4)
  takes = true
  slow.emit('drain')
  await eventually(() => numbers(slow).length === 4)
  t.strictSame(numbers(slow).slice(0, 3), [0, 0, 0])
})

test('a log that fails for a while loses nothing', async (t) => {
  const hub = start(t)
  const log = new MemoryLog<Events>()
  await hub.useLog(log)
  const read = log.read.bind(log)
  let failures = 2
  log.read = async (...args) => {
    if (failures-- > 0) throw new Error('the database is away')
    return await read(...args)
  }
  for (let n = 1; n <= 250; n++) log.append(note(n, 'a'))
  const sink = new MemorySink()
  hub.start({ id: 's', userId: 'u', sink, all: false, echo: false, expiresAt: null, follows: [{ topic: 'a', head: 250, after: 0 }] })
  await eventually(() => numbers(sink).length === 250)
  t.strictSame(numbers(sink), Array.from({ length: 250 }, (_, index) => index + 1))
})

test('what is pruned before a stream has read it is not passed over: it ends, and is told when it resumes', async (t) => {
  const hub = start(t)
  const log = new MemoryLog<Events>()
  await hub.useLog(log)
  for (let n = 1; n <= 300; n++) log.append(note(n, 'a'))
  const read = log.read.bind(log)
  log.read = async (topic, after, limit) => {
    const page = await read(topic, after, limit)
    log.prune('a', 150)
    return page
  }
  const sink = new MemorySink()
  hub.start({ id: 's', userId: 'u', sink, all: false, echo: false, expiresAt: null, follows: [{ topic: 'a', head: 300, after: 0 }] })
  await eventually(() => sink.writableEnded)
  t.strictSame(sink.events.map(({ type, data }) => data['n'] ?? [type, data['reason']]), [...Array.from({ length: 100 }, (_, index) => index + 1), ['disconnect', 'too_slow']])
  log.prune('a', 300)
  const none = new MemorySink()
  hub.start({ id: 'n', userId: 'u', sink: none, all: false, echo: false, expiresAt: null, follows: [{ topic: 'a', head: 300, after: 50 }] })
  await eventually(() => none.writableEnded)
  t.strictSame(none.events.map(({ data }) => data['reason']), ['too_slow'], 'when nothing is left, too')
  t.ok(hub.counters.pages < 10, 'and it isn\'t asked for again and again')
})

test('a node that has slept longer than events are kept tells its streams, and goes on', async (t) => {
  const hub = start(t)
  const log = new MemoryLog<Events>()
  await hub.useLog(log)
  const [sleeper, fresh] = [new MemorySink(), new MemorySink()]
  hub.start({ id: 's', userId: 'u', sink: sleeper, all: false, echo: false, expiresAt: null, follows: [{ topic: 'a', head: 0 }] })
  for (let n = 1; n <= 20; n++) log.append(note(n, 'a'))
  log.prune('a', 10)
  hub.start({ id: 'f', userId: 'u', sink: fresh, all: false, echo: false, expiresAt: null, follows: [{ topic: 'a', head: 20 }] })
  await hub.sweep()
  await eventually(() => sleeper.writableEnded)
  t.strictSame(sleeper.events.map(({ data }) => data['reason']), ['too_slow'])
  await eventually(() => hub.streamCount < 2)
  const late = new MemorySink()
  hub.start({ id: 'l', userId: 'u', sink: late, all: false, echo: false, expiresAt: null, follows: [{ topic: 'a', head: 20, after: 15 }] })
  const told = log.append(note(21, 'a'))
  hub.emit(told)
  await eventually(() => numbers(late).length === 6)
  t.strictSame(numbers(late), [16, 17, 18, 19, 20, 21])
})

test('a peer that takes nothing is stale, however little waits for it', async (t) => {
  const hub = start(t, { heartbeatMs: 100, staleAfterMs: 200 })
  // Takes one byte, then reports neither that it is full nor that it has taken any more.
  const stuck = new Writable({ highWaterMark: 1_000_000, write () {} })
  const fine = new MemorySink()
  hub.subscribe(stuck, { topics: ['a'] })
  hub.subscribe(fine, { topics: ['a'] })
  hub.emit(note(1, 'a'))
  await eventually(() => stuck.destroyed)
  t.equal(hub.streamCount, 1)
  t.notOk(fine.destroyed)
})

test('who catches up leaves the process its turns, also with a log that blocks it', async (t) => {
  const hub = start(t)
  const log = new MemoryLog<Events>()
  await hub.useLog(log)
  const told = Array.from({ length: 5000 }, (_, index) => log.append(note(index + 1, 'a')))
  log.read = async (_topic, after, limit) => {
    for (const end = performance.now() + 2; performance.now() < end;);
    return told.slice(after, after + limit)
  }
  let turns = 0
  let over = false
  const count = (): void => {
    turns++
    if (!over) setImmediate(count)
  }
  setImmediate(count)
  const sinks = Array.from({ length: 4 }, (_, index) => {
    const sink = new MemorySink()
    hub.start({ id: `s${index}`, userId: 'u', sink, all: false, echo: false, expiresAt: null, follows: [{ topic: 'a', head: 5000, after: index }] })
    return sink
  })
  while (hub.counters.deliveries < 4 * 5000 - 6) await new Promise(resolve => setTimeout(resolve, 1))
  over = true
  t.ok(turns >= 10, `${turns} turns`)
  t.strictSame(numbers(sinks[3]!), Array.from({ length: 4997 }, (_, index) => index + 4))
})

test('emit never throws, not for a sink that does either', async (t) => {
  const hub = start(t)
  const [broken, fine] = [new MemorySink(), new MemorySink()]
  hub.subscribe(broken, { topics: ['a'] })
  hub.subscribe(fine, { topics: ['a'] })
  broken.destroy(new Error('the peer is gone'))
  t.doesNotThrow(() => { hub.emit(note(1, 'a')) })
  await eventually(() => numbers(fine).length === 1)
  await eventually(() => hub.streamCount === 1)
  t.pass()
})
