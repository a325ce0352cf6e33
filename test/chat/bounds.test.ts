import { test } from 'tap'
import { TICKETS_MAX } from '../../chat/tickets.js'
import type { Database } from '../../store/database.js'
import { COUNTS_MAX, Counters } from '../../store/counters.js'
import { WAITING_MAX, Writer } from '../../store/writer.js'
import { build, user } from '../helper.js'

test('one user holds a bounded number of unused tickets', async t => {
  const app = await build(t)
  const [alice, bob] = [await user(app, 'alice').arrive(), await user(app, 'bob').arrive()]
  const ask = async (who = alice) => await who.call<{ ticket: string }>('POST', '/api/sse/tickets', {})
  const tickets = await Promise.all(Array.from({ length: TICKETS_MAX }, async () => await ask()))
  t.ok(tickets.every(({ status }) => status < 300))
  const refused = await ask()
  t.match(refused, { status: 429, body: { code: 'TOO_MANY_REQUESTS' } })
  t.equal(refused.headers['retry-after'], '30')
  t.ok((await ask(bob)).status < 300)
  await app.chat.tickets.redeem(tickets[0]!.body.ticket, null)
  t.ok((await ask()).status < 300, 'one is used')
})

/** A database that accepts every query and never answers. */
function silentDatabase (): Database {
  const never = async (): Promise<never> => await new Promise<never>(() => {})
  return { provider: 'sqlite', transaction: never, read: { query: never, execute: never } } as unknown as Database
}

test('what waits for the database has a bound, past which it is refused at once', async t => {
  const writer = new Writer(silentDatabase(), () => {})
  const command = { needs () {}, apply () {} }
  const results: string[] = []
  const writes = Array.from(
    { length: WAITING_MAX + 5 }, async () => { await writer.write(command).catch((error: { code: string }) => { results.push(error.code) }) }
  )
  await Promise.race([Promise.all(writes), new Promise(resolve => setImmediate(resolve))])
  t.strictSame(results, Array.from({ length: 5 }, () => 'UNAVAILABLE'))

  const counters = new Counters(silentDatabase(), new Writer(silentDatabase(), () => {}))
  const counted: string[] = []
  for (let n = 0; n < COUNTS_MAX + 5; n++) void counters.add('key', 1000).catch((error: { code: string }) => { counted.push(error.code) })
  await new Promise(resolve => process.nextTick(resolve))
  t.strictSame(counted, Array.from({ length: 5 }, () => 'UNAVAILABLE'))
})
