import { test } from 'tap'
import { subscribeShared, type SharedSubscribeOptions } from '../../client/tabs/shared-stream.js'
import { createFrameLog, type Frame } from '../../client/tabs/tabs.js'
import type { BroadcastChannelConstructor } from '../../client/base/platform.js'
import type { ChatEvents } from '../../schemas/events.js'
import { createFakeLocks, createFakeTab } from './fake-tabs.js'
import { logServer } from './log-server.js'
import { createRecorder, quick } from './recorder.js'

type Teardown = Parameters<typeof logServer>[0]
const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

async function browser (t: Teardown) {
  const server = await logServer(t)
  const locks = createFakeLocks()
  const open = (options: Partial<SharedSubscribeOptions> = {}) => {
    const tab = createFakeTab(locks)
    const recorder = createRecorder()
    const subscription = subscribeShared({ token: 't', userId: 'alice', baseUrl: server.baseUrl, tabs: tab, ...quick, patienceMs: 5000, ...recorder.callbacks, ...options })
    t.teardown(() => subscription.unsubscribe())
    const seqs = () => recorder.first('onMessage').map((event) => (event as ChatEvents['message']).seq)
    return { tab, recorder, subscription, seqs }
  }
  return { server, locks, open }
}

const upTo = (length: number, from = 1) => Array.from({ length: length - from + 1 }, (_, i) => i + from)

test('three tabs, one stream, every event once and in order in each', async (t) => {
  const { server, open } = await browser(t)
  const tabs = [open(), open(), open()]
  await Promise.all(tabs.map(({ recorder }) => recorder.until('onConnect')))
  server.publish(100)
  await Promise.all(tabs.map(({ recorder }) => recorder.until('onMessage', 100)))
  for (const { seqs, subscription, recorder } of tabs) {
    t.strictSame(seqs(), upTo(100))
    t.equal(subscription.lastEventId, 'e100')
    t.equal(subscription.state, 'connected')
    t.strictSame(recorder.of('onReset'), [])
  }
  t.equal(server.exchanges.length, 1)
  t.strictSame(tabs.map(({ subscription }) => subscription.leads), [true, false, false])
})

test('when the leader goes, the next one goes on where it was', async (t) => {
  const { server, open } = await browser(t)
  const tabs = [open(), open(), open()] as const
  await Promise.all(tabs.map(({ recorder }) => recorder.until('onConnect')))
  server.publish(10)
  await tabs[0].recorder.until('onMessage', 10) // The others may not have received the last ones yet
  tabs[0].subscription.unsubscribe()
  server.publish(10)
  await tabs[2].recorder.until('onMessage', 20)
  tabs[1].subscription.unsubscribe()
  server.publish(10)
  await tabs[2].recorder.until('onMessage', 30)
  t.strictSame(tabs[0].seqs(), upTo(10))
  t.strictSame(tabs[1].seqs(), upTo(20))
  t.strictSame(tabs[2].seqs(), upTo(30))
  t.equal(server.exchanges.length, 3)
  for (const { recorder } of tabs) t.strictSame(recorder.of('onReset'), [])
})

test('a tab opened later begins where the others are', async (t) => {
  const { server, open } = await browser(t)
  const first = open()
  await first.recorder.until('onConnect')
  server.publish(5)
  await first.recorder.until('onMessage', 5)
  const second = open()
  await second.recorder.until('onConnect')
  t.match(second.recorder.of('onConnect'), [[{ resumed: false, userId: 'alice' }]])
  t.equal(second.subscription.lastEventId, 'e5')
  server.publish(5)
  await second.recorder.until('onMessage', 5)
  t.strictSame(second.seqs(), upTo(10, 6))
  t.strictSame(second.recorder.of('onReset'), [])
  t.equal(server.exchanges.length, 1)
})

test('tabs of other users, and other streams, share nothing', async (t) => {
  const { server, open } = await browser(t)
  const others = [open(), open({ userId: 'bob' }), open({ conversationId: 'c' }), open({ echo: true })]
  await Promise.all(others.map(({ recorder }) => recorder.until('onConnect')))
  t.equal(server.exchanges.length, 4)
})

test('a lost connection is told in every tab', async (t) => {
  const { server, open } = await browser(t)
  const tabs = [open(), open()]
  await Promise.all(tabs.map(({ recorder }) => recorder.until('onConnect')))
  for (const exchange of server.streams) exchange.cut()
  await Promise.all(tabs.map(({ recorder }) => recorder.until('onConnect', 2)))
  server.publish(1)
  await Promise.all(tabs.map(({ recorder }) => recorder.until('onMessage', 1)))
  for (const { recorder } of tabs) {
    t.strictSame(recorder.order(), ['onConnect', 'onDisconnect', 'onConnect', 'onMessage'])
    t.match(recorder.of('onReconnecting'), [[{ attempt: 1, error: { code: 'NETWORK' } }]])
  }
})

test('a leader that doesn\'t answer is replaced, and steps down when it wakes', async (t) => {
  const { server, open } = await browser(t)
  const patienceMs = 300
  const asleep = open({ patienceMs })
  await asleep.recorder.until('onConnect')
  const witness = open({ patienceMs })
  await witness.recorder.until('onConnect')
  server.publish(3)
  await witness.recorder.until('onMessage', 3)
  asleep.tab.frozen = true
  server.publish(2) // The sleeping tab has read it, and nobody has received it
  await asleep.recorder.until('onMessage', 5)
  await new Promise((resolve) => setTimeout(resolve, patienceMs + 10))
  const late = open({ patienceMs })
  await witness.recorder.until('onMessage', 5)
  t.ok(witness.subscription.leads, 'rather than by one that doesn\'t know where the stream was')
  asleep.tab.frozen = false
  server.publish(1)
  const tabs = [asleep, witness, late]
  await Promise.all(tabs.map(({ recorder }) => recorder.until('onLastEventId')))
  while (tabs.some(({ subscription }) => subscription.lastEventId !== 'e6')) await new Promise(setImmediate)
  t.strictSame(asleep.seqs(), upTo(6))
  t.strictSame(witness.seqs(), upTo(6))
  t.equal(late.seqs().at(-1), 6)
  t.strictSame(tabs.map(({ subscription }) => subscription.leads), [false, true, false])
  t.equal(server.streams.size, 1)
  for (const { recorder } of tabs) t.strictSame(recorder.of('onReset'), [])
})

test('a tab that nobody answers takes the stream; who had seen more than it is told', async (t) => {
  const { server, open } = await browser(t)
  const asleep = open()
  await asleep.recorder.until('onConnect')
  server.publish(3)
  await asleep.recorder.until('onMessage', 3)
  asleep.tab.frozen = true
  const alone = open({ patienceMs: 200 })
  await alone.recorder.until('onConnect')
  t.ok(alone.subscription.leads)
  asleep.tab.frozen = false
  server.publish(1)
  await asleep.recorder.until('onReset')
  t.match(asleep.recorder.of('onReset'), [[{ conversationId: null, reason: 'pruned' }]])
  server.publish(1)
  // The tab may have read the previous event by itself.
  while (asleep.seqs().at(-1) !== 5) await asleep.recorder.until('onMessage', asleep.seqs().length + 1)
  t.equal(asleep.subscription.lastEventId, 'e5')
  t.equal(server.streams.size, 1)
})

test('a follower that was asleep is told what it missed', async (t) => {
  const { server, open } = await browser(t)
  const leader = open()
  await leader.recorder.until('onConnect')
  const follower = open()
  await follower.recorder.until('onConnect')
  server.publish(2)
  await follower.recorder.until('onMessage', 2)
  follower.tab.frozen = true
  server.publish(5)
  await leader.recorder.until('onMessage', 7)
  await follower.tab.misses('"e7"')
  follower.tab.frozen = false
  server.publish(1)
  await follower.recorder.until('onMessage', 8)
  t.strictSame(follower.seqs(), upTo(8))
  t.strictSame(follower.recorder.of('onReset'), [])
  t.equal(server.exchanges.length, 1)
})

test('a follower that missed words of a former leader gets them from the next one', async (t) => {
  const { server, open } = await browser(t)
  const tabs = [open(), open(), open()] as const
  await Promise.all(tabs.map(({ recorder }) => recorder.until('onConnect')))
  server.publish(2)
  await Promise.all(tabs.map(({ recorder }) => recorder.until('onMessage', 2)))
  tabs[2].tab.frozen = true
  server.publish(3)
  await tabs[1].recorder.until('onMessage', 5)
  await tabs[2].tab.misses('"e5"')
  tabs[2].tab.frozen = false
  tabs[0].subscription.unsubscribe()
  await tabs[2].recorder.until('onMessage', 5)
  server.publish(1)
  await tabs[2].recorder.until('onMessage', 6)
  t.strictSame(tabs[2].seqs(), upTo(6))
  t.strictSame(tabs[2].recorder.of('onReset'), [])
})

test('a leader whose token is refused makes way for the next tab', async (t) => {
  const { server, open } = await browser(t)
  const expired = open({ token: 'refused' })
  const valid = open()
  await expired.recorder.until('onError')
  await valid.recorder.until('onConnect')
  t.equal(expired.subscription.state, 'closed')
  t.match(expired.recorder.of('onError'), [[{ code: 'UNAUTHORIZED' }]])
  t.strictSame(valid.recorder.of('onError'), [])
  t.equal(server.streams.size, 1)
})

test('a page put aside lets go of the stream, and joins in again when it is back', async (t) => {
  const listeners: [string, () => void][] = []
  Object.assign(globalThis, {
    addEventListener: (type: string, listener: () => void) => { listeners.push([type, listener]) },
    removeEventListener () {}
  })
  t.teardown(() => { for (const name of ['addEventListener', 'removeEventListener']) Reflect.deleteProperty(globalThis, name) })
  const { server, open } = await browser(t)
  const aside = open()
  const ofAside = listeners.splice(0)
  const fire = (type: string) => { for (const [of, listener] of ofAside) if (of === type) listener() }
  await aside.recorder.until('onConnect')
  const other = open()
  await other.recorder.until('onConnect')
  fire('pagehide')
  await other.recorder.until('onConnect', 2)
  t.ok(other.subscription.leads)
  t.notOk(aside.subscription.leads)
  server.publish(2)
  await other.recorder.until('onMessage', 2)
  fire('pageshow')
  await aside.recorder.until('onMessage', 2)
  t.strictSame(aside.seqs(), [1, 2])
  t.equal(server.streams.size, 1)
})

test('a wait for the next reconnect is ended from any tab', async (t) => {
  const { server, open } = await browser(t)
  const slow = { backoffBaseMs: 1e9, backoffCapMs: 1e9 }
  const tabs = [open(slow), open(slow)] as const
  await Promise.all(tabs.map(({ recorder }) => recorder.until('onConnect')))
  for (const { response } of server.exchanges) response.destroy()
  await Promise.all(tabs.map(({ recorder }) => recorder.until('onReconnecting')))
  tabs[1].subscription.reconnect()
  await tabs[1].recorder.until('onConnect', 2)
  for (const { response } of server.exchanges) response.destroy()
  await tabs[0].recorder.until('onReconnecting', 2)
  tabs[0].subscription.reconnect()
  await tabs[1].recorder.until('onConnect', 3)
  t.equal(server.exchanges.length, 3)
})

test('a browser that has locks or channels but refuses them: every tab for itself', async (t) => {
  const { server, open, locks } = await browser(t)
  const denied = new DOMException('Access is denied in this context', 'SecurityError')
  for (const refusing of [
    { ...createFakeTab(locks), locks: { request: () => Promise.reject(denied) } },
    { locks, BroadcastChannel: class { constructor () { throw denied } } as unknown as BroadcastChannelConstructor }
  ]) {
    const tabs = [open({ tabs: refusing }), open({ tabs: refusing })]
    await Promise.all(tabs.map(({ recorder }) => recorder.until('onConnect')))
    t.strictSame(tabs.map(({ subscription }) => [subscription.leads, subscription.state]), [[true, 'connected'], [true, 'connected']])
    server.publish(10)
    await Promise.all(tabs.map(({ recorder }) => recorder.until('onMessage', 10)))
    for (const { subscription } of tabs) subscription.unsubscribe()
  }
  t.equal(server.exchanges.length, 4)
  await Promise.all(server.exchanges.map(({ closed }) => closed))
})

test('nothing is left after unsubscribing', async (t) => {
  const before = timers()
  const { server, locks, open } = await browser(t)
  const abort = new AbortController()
  const tabs = [open(), open({ signal: abort.signal }), open()] as const
  await Promise.all(tabs.map(({ recorder }) => recorder.until('onConnect')))
  tabs[2].subscription.unsubscribe()
  tabs[2].subscription.unsubscribe()
  tabs[0].subscription.unsubscribe()
  abort.abort()
  const called = tabs.map(({ recorder }) => recorder.log.length)
  await Promise.all(server.exchanges.map(({ closed }) => closed))
  await new Promise(setImmediate)
  t.strictSame(tabs.map(({ recorder }) => recorder.log.length), called)
  t.strictSame(tabs.map(({ subscription }) => subscription.state), ['closed', 'closed', 'closed'])
  t.strictSame(tabs.map(({ tab }) => tab.channels), [0, 0, 0])
  t.equal(locks.held() + locks.queued(), 0)
  t.ok(timers() <= before)
  t.equal(subscribeShared({ token: 't', userId: 'alice', baseUrl: server.baseUrl, tabs: tabs[0].tab, signal: abort.signal }).state, 'closed')
})

test('unsubscribing inside a callback', async (t) => {
  const { server, open } = await browser(t)
  const leader = open({ onMessage: () => leader.subscription.unsubscribe() })
  const follower = open()
  await follower.recorder.until('onConnect')
  server.publish(3)
  await follower.recorder.until('onMessage', 3)
  t.strictSame(follower.seqs(), [1, 2, 3])
  t.equal(leader.subscription.state, 'closed')
})

test('frames kept', async (t) => {
  const log = createFrameLog(3)
  const frame = (term: string, n: number): Frame => ({ term, n, state: 'connected', signal: { disconnect: 'ended' } })
  t.equal(log.after({ term: 'a', n: 0 }), null)
  for (let n = 1; n <= 3; n++) log.add(frame('a', n))
  t.strictSame(log.after({ term: 'a', n: 0 })?.map(({ n }) => n), [1, 2, 3])
  t.strictSame(log.after({ term: 'a', n: 2 })?.map(({ n }) => n), [3])
  log.add(frame('b', 1))
  t.strictSame(log.after({ term: 'a', n: 3 })?.map(({ term, n }) => term + n), ['b1'])
  for (let n = 2; n <= 4; n++) log.add(frame('b', n))
  t.equal(log.after({ term: 'a', n: 2 }), null, 'not kept any more')
  t.equal(log.after({ term: 'b', n: 0 }), null)
  t.strictSame(log.after({ term: 'b', n: 3 })?.map(({ n }) => n), [4])
})
