import type { Test } from 'tap'
import type { Bus } from '../../hub/bus.js'
import { eventually } from './eventually.js'

/** Provides the buses for the suite that each kind of bus must pass. */
export interface BusKind {
  /** An open bus of a node, closed after the test. The buses of one installation receive each other's messages. */
  join(t: Test, installation: string): Promise<Bus>
  /** Breaks the connection of the node, as a server would. */
  cut(bus: Bus): Promise<void>
}

interface Listener { bus: Bus, heard: string[] }

let installations = 0
const newInstallation = (): string => `test ${process.pid}.${installations++} ü`

async function listener (t: Test, kind: BusKind, installation: string, ...channels: string[]): Promise<Listener> {
  const bus = await kind.join(t, installation)
  const heard: string[] = []
  bus.onMessage(message => { heard.push(message) })
  await Promise.all(channels.map(async channel => { await bus.listen(channel) }))
  return { bus, heard }
}

/** What the hub expects of a bus. */
export function busSuite (t: Test, kind: BusKind): void {
  t.test('a message reaches the other nodes that listen on its channel, and not its sender', async t => {
    const name = newInstallation()
    const [a, b, c] = await Promise.all([listener(t, kind, name, 'x', 'y'), listener(t, kind, name, 'x'), listener(t, kind, name, 'y')])
    a.bus.publish('x', () => 'to x')
    await eventually(() => b.heard.length > 0)
    c.bus.publish('y', () => 'to y')
    await eventually(() => a.heard.length > 0)
    t.same([a.heard, b.heard, c.heard], [['to y'], ['to x'], []])
  })

  t.test('no message of a channel that is no longer listened on', async t => {
    const name = newInstallation()
    const [a, b] = [await listener(t, kind, name), await listener(t, kind, name, 'x', 'y')]
    b.bus.unlisten('x')
    a.bus.publish('x', () => 'to x')
    a.bus.publish('y', () => 'to y')
    await eventually(() => b.heard.length > 0)
    t.same(b.heard, ['to y'])
    await b.bus.listen('x')
    a.bus.publish('x', () => 'again')
    await eventually(() => b.heard.length > 1)
    t.same(b.heard, ['to y', 'again'])
  })

  t.test('installations don\'t hear each other', async t => {
    const name = newInstallation()
    const [a, b, other] = [await listener(t, kind, name), await listener(t, kind, name, 'x'), await listener(t, kind, newInstallation(), 'x')]
    a.bus.publish('x', () => 'hello')
    await eventually(() => b.heard.length > 0)
    t.same(other.heard, [])
  })

  t.test('any text passes, on any channel', async t => {
    const name = newInstallation()
    const texts = ['', '"\\\'', 'größer 👩‍👧‍👦', JSON.stringify({ text: 'line\nbreak\u2028 \t $1 ?' })]
    const channels = ['t:a b\'c"d', 't:ü\\👍', `u:${'i'.repeat(300)}`, 't:\t']
    const [a, b] = [await listener(t, kind, name), await listener(t, kind, name, ...channels)]
    for (const channel of channels) for (const text of texts) a.bus.publish(channel, () => text)
    await eventually(() => b.heard.length === texts.length * channels.length)
    t.same(b.heard.toSorted(), channels.flatMap(() => texts).toSorted())
  })

  t.test('many messages of one turn, on many channels', async t => {
    const name = newInstallation()
    const channels = Array.from({ length: 500 }, (_, index) => `t:conversation ${index}`)
    const [a, b] = [await listener(t, kind, name), await listener(t, kind, name, ...channels)]
    const sent = Array.from({ length: 3000 }, (_, index) => `${index} ${'.'.repeat(index % 400)}`)
    sent.forEach((text, index) => { a.bus.publish(channels[index % channels.length]!, () => text) })
    await eventually(() => b.heard.length >= sent.length)
    t.same(b.heard.toSorted(), sent.toSorted())
  })

  t.test('a long message arrives, or the short one in its place, or nothing', async t => {
    const name = newInstallation()
    const [a, b] = [await listener(t, kind, name), await listener(t, kind, name, 'x')]
    for (const length of [7000, 7800, 7900, 8000, 8100, 100_000]) {
      b.heard.length = 0
      const long = 'ä'.repeat(length / 2)
      a.bus.publish('x', () => long, () => 'short')
      a.bus.publish('x', () => long)
      a.bus.publish('x', () => 'end')
      await eventually(() => b.heard.at(-1) === 'end')
      t.ok(['short,end', `${long},${long},end`].includes(b.heard.join()), `${length} bytes`)
    }
  })

  t.test('a broken connection comes back by itself, and listens to what it did', async t => {
    const name = newInstallation()
    const [a, b] = [await listener(t, kind, name), await listener(t, kind, name, 'before')]
    let reconnects = 0
    b.bus.onReconnect(() => { reconnects++ })
    await kind.cut(b.bus)
    await eventually(() => !b.bus.connected || reconnects > 0)
    const listening = b.bus.listen('meanwhile')
    b.bus.publish('x', () => 'goes nowhere, and throws nothing')
    await eventually(() => reconnects > 0 && a.bus.connected)
    await listening
    await eventually(() => b.bus.connected)
    await b.bus.listen('after')
    for (const channel of ['before', 'meanwhile', 'after']) a.bus.publish(channel, () => channel)
    await eventually(() => b.heard.length === 3)
    t.same(b.heard.toSorted(), ['after', 'before', 'meanwhile'])
    t.ok(reconnects >= 1, 'a cluster has several connections to lose')
  })

  t.test('what was published before closing arrives', async t => {
    const name = newInstallation()
    const [a, b] = [await listener(t, kind, name), await listener(t, kind, name, 'x')]
    a.bus.publish('x', () => 'last words')
    await a.bus.close()
    t.notOk(a.bus.connected)
    a.bus.publish('x', () => 'too late')
    await eventually(() => b.heard.length > 0)
    t.same(b.heard, ['last words'])
  })
}
