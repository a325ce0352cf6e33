import t, { type Test } from 'tap'
import { Horizon } from '../../hub/horizon.js'
import type { Transaction } from '../../hub/known-log.js'
import { MemoryLog } from './memory-log.js'

/** Positions, the sweep and divergence, without streams. */

interface Events { note: { n: number } }

class Scene {
  readonly log = new MemoryLog<Events>()
  isIdle = false
  /** The floors of what is under way. */
  held: number[] = []
  readonly found: string[] = []
  readonly diverged: Transaction[] = []
  readonly horizon = new Horizon<Events>({
    isIdle: () => this.isIdle,
    isBusy: () => this.held.length > 0,
    heldAt: () => Math.min(...this.held),
    foundJoin: (topic, userId, seq) => { this.found.push(`${userId} joins ${topic} by ${seq}`) },
    foundEnd: ({ topics }) => { this.found.push(`${topics.join()} ends`) },
    foundEvents: (topic, seq) => { this.found.push(`${topic} is at ${seq}`) },
    diverged: newest => { this.diverged.push(newest) }
  })

  static async begin (t: Test, events = 0): Promise<Scene> {
    const scene = new Scene()
    for (let n = 0; n < events; n++) scene.append('a')
    await scene.horizon.useLog(scene.log)
    t.teardown(async () => { await scene.horizon.close() })
    return scene
  }

  append (topic: string, ...joins: string[]): Transaction {
    const { position, tag } = this.log.append({ type: 'note', data: { n: 0 }, topics: [topic], joins })
    return { position: position!, tag }
  }

  get state (): { position: number, floor: number } {
    const { position, floor } = this.horizon
    return { position, floor }
  }
}

t.test('begins at the newest position of the log', async t => {
  const { state, horizon } = await Scene.begin(t, 3)
  t.strictSame(state, { position: 3, floor: 3 })
  t.equal(horizon.tagAt(3), 'tag3')
  t.equal(horizon.tagAt(2), undefined)
})

t.test('goes on with what this node commits, and waits for what it has not heard of', async t => {
  const scene = await Scene.begin(t)
  scene.horizon.settle(scene.append('a'))
  t.strictSame(scene.state, { position: 1, floor: 1 })
  scene.append('b')
  scene.horizon.settle(scene.append('a'))
  t.strictSame(scene.state, { position: 1, floor: 1 }, 'another node has committed in between')
  await scene.horizon.sweep()
  t.strictSame(scene.state, { position: 3, floor: 3 })
  t.same(scene.found.toSorted(), ['a is at 2', 'b is at 1'])
})

t.test('the floor stays where something under way began', async t => {
  const scene = await Scene.begin(t, 2)
  scene.held = [2]
  scene.horizon.settle(scene.append('a'))
  t.strictSame(scene.state, { position: 3, floor: 2 })
  scene.horizon.raiseFloor()
  t.equal(scene.horizon.floor, 2, 'a turn that has not sent all of it')
  scene.held = []
  scene.horizon.raiseFloor()
  t.equal(scene.horizon.floor, 3)
})

t.test('a sweep tells of joins before events, and of nothing twice', async t => {
  const scene = await Scene.begin(t)
  scene.append('a', 'ann', 'bob')
  scene.append('a')
  await scene.horizon.sweep()
  t.strictSame(scene.found, ['ann joins a by 1', 'bob joins a by 1', 'a is at 2'])
  await scene.horizon.sweep()
  t.equal(scene.found.length, 3)
})

t.test('looking back lowers the floor until the log has answered', async t => {
  const scene = await Scene.begin(t, 5)
  scene.horizon.lookBack(5)
  t.equal(scene.horizon.floor, 5, 'nothing has happened since')
  scene.horizon.lookBack(2)
  t.strictSame(scene.state, { position: 5, floor: 2 })
  await scene.horizon.sweep()
  t.strictSame(scene.state, { position: 5, floor: 5 })
  t.strictSame(scene.found, ['a is at 5'])
})

t.test('what is asked for during a sweep is looked up by the next one, which follows at once', async t => {
  const scene = await Scene.begin(t, 5)
  const { look } = scene.log
  let looks = 0
  scene.log.look = async positions => {
    if (looks++ === 0) scene.horizon.lookBack(1)
    return await look.call(scene.log, positions)
  }
  await scene.horizon.sweep()
  t.equal(looks, 2)
  t.strictSame(scene.state, { position: 5, floor: 5 })
})

t.test('a sweep that fails begins again at the same position', async t => {
  const scene = await Scene.begin(t, 5)
  const { look } = scene.log
  scene.log.look = async () => { throw new Error('unavailable') }
  scene.horizon.lookBack(2)
  await scene.horizon.sweep()
  t.strictSame(scene.state, { position: 5, floor: 2 })
  scene.log.look = look
  await scene.horizon.sweep()
  t.strictSame(scene.state, { position: 5, floor: 5 })
  t.strictSame(scene.found, ['a is at 5'])
})

t.test('without streams and topics only the position is read, unless a stream opens meanwhile', async t => {
  const scene = await Scene.begin(t)
  scene.isIdle = true
  scene.append('a', 'ann')
  await scene.horizon.sweep()
  t.strictSame(scene.state, { position: 1, floor: 1 })
  scene.append('a')
  const { look } = scene.log
  scene.log.look = async positions => {
    scene.isIdle = false
    return await look.call(scene.log, positions)
  }
  await scene.horizon.sweep()
  t.equal(scene.horizon.position, 1)
  t.strictSame(scene.found, [])
})

t.test('a transaction that does not fit is a doubt until the log has answered', async t => {
  const scene = await Scene.begin(t, 3)
  const event = (position: number, tag: string) => ({ type: 'note', data: {}, topics: ['a'], seq: 1, position, tag })
  for (let n = 0; n < 2; n++) scene.append('a')
  t.ok(scene.horizon.admits(event(4, 'tag4')))
  t.notOk(scene.horizon.admits(event(3, 'another')))
  t.notOk(scene.horizon.admits(event(5, 'tag5')), 'nor anything that comes after it')
  t.equal(scene.horizon.floor, 2)
  await scene.horizon.sweep()
  t.ok(scene.horizon.admits(event(6, 'tag6')))
  t.strictSame(scene.state, { position: 5, floor: 5 })
  t.strictSame(scene.diverged, [], 'the message was wrong, the log was not')
})

t.test('a log that has lost its end is told of once, and is the one that counts', async t => {
  const scene = await Scene.begin(t)
  for (let n = 0; n < 3; n++) scene.horizon.settle(scene.append('a'))
  scene.log.lose(2)
  await scene.horizon.sweep()
  await scene.horizon.sweep()
  t.match(scene.diverged, [{ position: 1, tag: 'tag1' }])
  t.equal(scene.diverged.length, 1)
  t.strictSame(scene.state, { position: 1, floor: 1 })
  t.match(scene.horizon.shown, { position: 1 }, 'and nothing later has been shown')
})

t.test('a cursor names the newest transaction of which something was shown', async t => {
  const { horizon } = await Scene.begin(t, 2)
  const cursor = horizon.cursorAt(2)
  t.equal(cursor(horizon.shown), 'all.2.tag2')
  horizon.show({ position: 7, tag: 'tag7' })
  horizon.show({ position: 6, tag: 'tag6' })
  horizon.show({ position: undefined, tag: undefined })
  t.equal(cursor(horizon.shown), 'all.2.7.tag7')
})
