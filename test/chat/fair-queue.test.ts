import { test } from 'tap'
import { FairQueue, type Place } from '../../chat/fair-queue.js'

/** A queue whose jobs end when the test says so. */
function start (
  workers: number, capacity = 100
): { begun: string[], put: (name: string, place: Place) => Promise<string>, end: (name: string) => Promise<void> } {
  const queue = new FairQueue({ workers, capacity, retryAfter: 7 })
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  return {
    begun,
    put: async (name, place) => await queue.run(place, async () => {
      begun.push(name)
      await new Promise<void>(resolve => ends.set(name, resolve))
      return name
    }),
    async end (name) {
      ends.get(name)!()
      await new Promise(resolve => setImmediate(resolve))
    }
  }
}

const turn = async (): Promise<void> => { await new Promise(resolve => setImmediate(resolve)) }

test('addresses take turns, however long their lines are', async t => {
  const { begun, put, end } = start(1)
  const all = [...['a1', 'a2', 'a3', 'a4'].map(name => put(name, { address: 'a' })), put('b1', { address: 'b' }), put('c1', { address: 'c' }), put('b2', { address: 'b' })]
  await turn()
  for (const name of ['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4']) {
    t.equal(begun.at(-1), name)
    await end(name)
  }
  t.strictSame(await Promise.all(all), ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2'])
})

test('one address and one id are never at work twice', async t => {
  const { begun, put, end } = start(3)
  const all = [put('a1', { address: 'a', userId: 'x' }), put('a2', { address: 'a', userId: 'y' }), put('b1', { address: 'b', userId: 'x' }), put('b2', { address: 'b', userId: 'z' })]
  await turn()
  t.strictSame(begun, ['a1', 'b2'])
  await end('b2')
  t.strictSame(begun, ['a1', 'b2'], 'b1 is of the id that a1 is of')
  await end('a1')
  t.strictSame(begun, ['a1', 'b2', 'b1', 'a2'])
  await end('b1')
  await end('a2')
  await Promise.all(all)
})

test('a full queue refuses the newest of the longest line', async t => {
  const { put, end, begun } = start(1, 3)
  const first = put('a0', { address: 'a' })
  const waiting = ['a1', 'a2', 'a3'].map(name => put(name, { address: 'a' }))
  const other = put('b1', { address: 'b' })
  await t.rejects(waiting[2]!, { code: 'UNAVAILABLE', statusCode: 503, retryAfter: 7 }, 'somebody else\'s comes in, and one of the many goes')
  await t.rejects(put('a4', { address: 'a' }), { code: 'UNAVAILABLE' })
  for (const name of ['a0', 'b1', 'a1', 'a2']) await end(name)
  await Promise.all([first, other, waiting[0], waiting[1]])
  t.strictSame(begun, ['a0', 'b1', 'a1', 'a2'])
})

test('who has gone leaves the line, and work that fails makes room', async t => {
  const { put, end, begun } = start(1, 2)
  const first = put('a', { address: 'a' })
  const gone = new AbortController()
  const dropped = put('b', { address: 'b', signal: gone.signal })
  const last = put('c', { address: 'c' })
  gone.abort(new Error('gone'))
  await t.rejects(dropped, { message: 'gone' })
  await t.rejects(put('d', { address: 'd', signal: gone.signal }), { message: 'gone' }, 'who had gone before')
  await end('a')
  t.strictSame(begun, ['a', 'c'])
  await end('c')
  await Promise.all([first, last])
  const queue = new FairQueue({ workers: 1, capacity: 0, retryAfter: 1 })
  await t.rejects(queue.run({ address: 'a', userId: 'x' }, async () => { throw new Error('failed') }), { message: 'failed' })
  t.equal(await queue.run({ address: 'a', userId: 'x' }, async () => 'next'), 'next')
  t.equal(queue.waiting, 0)
})
