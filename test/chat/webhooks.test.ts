import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { retryDelays } from '../../chat/followers/follower.js'
import { isPublicAddress, resolver } from '../../chat/webhooks/addresses.js'
import { patience } from '../../chat/webhooks/post.js'
import { FAILING_MAX_MS } from '../../chat/webhooks/lane.js'
import { forgetDead } from '../../chat/retention.js'
import { isChatError } from '../../errors.js'
import type { NewWebhook } from '../../schemas/webhooks.js'
import { Writer } from '../../store/writer.js'
import { build, user, users, type User } from '../helper.js'
import { eventually } from '../hub/eventually.js'
import { Webhook } from 'standardwebhooks'

t.strictSame(retryDelays.ms, [5, 30, 120, 600, 1800, 3600].map(seconds => seconds * 1000), 'as the documents say')
retryDelays.ms = [20]

interface Received {
  path: string
  headers: Record<string, string>
  body: string
  event: { id: string, type: string, timestamp: string, data: Record<string, unknown> }
}
interface Receiver {
  url: string
  port: number
  received: Received[]
  answers: Answer[]
  refused: Set<unknown>
  connections: () => number
  texts: () => unknown[]
}
type Answer = (received: Received, response: ServerResponse, request: IncomingMessage) => void

/** A receiver of webhooks on a real port. Without an answer of the test's, it takes everything but the texts that it refuses. */
async function receiver (t: Test): Promise<Receiver> {
  const received: Received[] = []
  const answers: Answer[] = []
  const refused = new Set<unknown>()
  let connections = 0
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', part => { body += String(part) })
    request.on('end', () => {
      const one = { path: request.url!, headers: request.headers as Record<string, string>, body, event: JSON.parse(body) as Received['event'] }
      received.push(one)
      const answer = answers.shift()
      if (answer === undefined) response.writeHead(refused.has(one.event.data['text']) ? 500 : 204).end()
      else answer(one, response, request)
    })
  })
  server.on('connection', () => { connections++ })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const texts = (): unknown[] => received.map(({ event }) => event.data['text'])
  return { url: `http://127.0.0.1:${port}/hook`, port, received, answers, refused, connections: () => connections, texts }
}

const status = (code: number, headers: Record<string, string> = {}): Answer => (_, response) => { response.writeHead(code, headers).end() }

const refusal = async (running: Promise<unknown>): Promise<string> => await running.then(() => 'was taken', (error: unknown) => {
  if (!isChatError(error)) throw error
  return `${error.code} ${error.message}`
})

t.test('webhooks', async t => {
  const app = await build(t, { chat: { webhookAllowPrivate: true, search: false } })
  const { webhooks } = app.chat
  const [ann, bob] = users(app, 'ann', 'bob') as [User, User]
  const group = await ann.group([bob])
  const laneOf = async (id: string) => (await webhooks.get(id)).lanes[0]!
  const failing = async (id: string): Promise<boolean> => (await laneOf(id)).failingSince !== null

  await t.test('an endpoint gets signed requests, which any library verifies', async t => {
    const { url, received } = await receiver(t)
    const made = await webhooks.create({ url, events: ['message', 'conversationDeleted'], description: 'Orders' })
    t.match(made, { url, events: ['message', 'conversationDeleted'], enabled: true, description: 'Orders', lanes: 4, secret: /^whsec_/ })
    const message = await ann.send(group, 'Hello')
    await bob.mark(message, 'read')
    const own = await bob.group([ann])
    await bob.ok('DELETE', `/api/chat/conversations/${own}`)
    await eventually(() => received.length === 2)
    const [first] = received
    t.match(first, { path: '/hook', headers: { 'user-agent': /^fastify-sse-chat\/\d/, 'content-type': 'application/json' } })
    t.match(first!.event, { type: 'message', data: { id: message.id, text: 'Hello', eventSeq: 2 } })
    t.equal(first!.event.id, first!.headers['webhook-id'])
    t.match(first!.event.id, /^[a-z0-9]+\.\d+-[a-z0-9]+\.2$/)
    t.strictSame(new Webhook(made.secret).verify(first!.body, first!.headers), first!.event)
    t.throws(() => new Webhook(made.secret).verify(first!.body.replace('Hello', 'Hallo'), first!.headers))
    t.match(received[1]!.event, { type: 'conversationDeleted', data: { conversationId: own, eventSeq: 2 } })

    const { secret } = await webhooks.rotate(made.id)
    await ann.send(group, 'rotated')
    await eventually(() => received.length === 3)
    for (const key of [made.secret, secret]) t.ok(new Webhook(key).verify(received[2]!.body, received[2]!.headers), 'both secrets sign')
    t.notMatch(JSON.stringify([await webhooks.list(), await webhooks.get(made.id)]), /whsec/, 'secrets are shown once')
    // A day later.
    const { clock, prisma } = app.chatDatabase
    const { previousUntil } = await prisma.webhook.findUniqueOrThrow({ where: { id: made.id } })
    const left = Number(previousUntil) - clock.ticks()
    t.ok(left > 86_000_000 && left <= 86_400_000, `for 24 hours: ${left}`)
    await app.chatDatabase.transaction(async sql => { await sql.execute('UPDATE chat_webhooks SET previous_until = ?', clock.ticks() - 1) })
    await webhooks.test(made.id)
    t.match(received[3]!.headers['webhook-signature'], /^v1,\S+$/, 'then the new secret alone signs')
    t.ok(new Webhook(secret).verify(received[3]!.body, received[3]!.headers))

    t.match(await webhooks.test(made.id), { delivered: true, statusCode: 204, error: null })
    t.match(received[4], { headers: { 'webhook-id': /^ping\./ }, event: { type: 'ping', data: {} } })
    t.match(await webhooks.change(made.id, { events: ['*'] }), { events: ['*'], description: 'Orders' })
    await bob.ok('PATCH', `/api/chat/messages/${(await bob.send(group, 'a')).id}`, { text: 'b' })
    await eventually(() => received.length === 7)
    t.strictSame(received.slice(5).map(({ event }) => event.type), ['message', 'messageUpdated'])
    t.equal(received[6]!.event.data['text'], 'b')
    await webhooks.delete(made.id)
    t.strictSame(await webhooks.list(), [])
    t.strictSame(await app.chat.followers.rows(), [], 'nothing is left of it')
    t.equal(await refusal(webhooks.get(made.id)), 'NOT_FOUND Not found')
  })

  await t.test('from the start: what was said before, as it is now', async t => {
    const { url, received } = await receiver(t)
    const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`
    const made = await webhooks.create({ url, events: ['*'], from: 'start', lanes: 1, secret })
    t.equal(made.secret, secret)
    const numbers = (): unknown[] => received.filter(({ event }) => event.data['conversationId'] === group).map(({ event }) => event.data['eventSeq'])
    await eventually(() => numbers().length >= 6)
    t.strictSame(numbers(), [1, 2, 3, 4, 5, 6])
    await webhooks.delete(made.id)
  })

  await t.test('a kept connection that the receiver closes is no failure, and a new one is', async t => {
    const { url, received, answers } = await receiver(t)
    const { id } = await webhooks.create({ url, events: ['message'] })
    const close: Answer = (_, response) => { response.destroy() }
    answers.push(close)
    t.match(await webhooks.test(id), { delivered: false, statusCode: null, error: 'ECONNRESET' })
    t.equal(received.length, 1)
    t.match(await webhooks.test(id), { delivered: true })
    answers.push(close)
    t.match(await webhooks.test(id), { delivered: true }, 'it is asked once more, on another connection')
    t.equal(received.length, 4)
    await webhooks.delete(id)
  })

  await t.test('each event is as it is when its turn comes', async t => {
    const { url, received, answers, texts } = await receiver(t)
    const own = await ann.group([bob])
    const sent = []
    for (const text of ['held', 'deleted', 'before', 'kept']) sent.push(await ann.send(own, text))
    const gone = await ann.group([bob])
    await ann.send(gone, 'in a conversation that goes')
    let release = (): void => {}
    // All that was said before comes in one page, and the second half of it while the receiver holds it up.
    answers.push(...Array<Answer>(1000).fill(({ event: { data } }, response) => {
      if (data['text'] === 'held') release = () => { response.writeHead(204).end() }
      else response.writeHead(204).end()
    }))
    const { id } = await webhooks.create({ url, events: ['message'], from: 'start', lanes: 1 })
    await eventually(() => texts().includes('held'))
    await ann.ok('DELETE', `/api/chat/messages/${sent[1]!.id}`)
    await ann.ok('PATCH', `/api/chat/messages/${sent[2]!.id}`, { text: 'after' })
    await ann.ok('DELETE', `/api/chat/conversations/${gone}`)
    release()
    await eventually(() => texts().includes('kept'))
    await eventually(async () => (await laneOf(id)).behind === 0)
    t.strictSame(texts().slice(texts().indexOf('held')), ['held', '', 'after', 'kept'])
    t.equal(received.at(-1)!.event.data['text'], 'kept')
    await webhooks.delete(id)
  })

  await t.test('what fails is sent again, with the same id, and nothing overtakes it', async t => {
    const { url, received, answers, texts } = await receiver(t)
    const made = await webhooks.create({ url, events: ['message'], lanes: 1 })
    const { ms } = patience
    patience.ms = 200
    t.teardown(() => { patience.ms = ms })
    answers.push(
      status(500),
      status(302, { location: `${url}/elsewhere` }),
      (_, response) => { response.destroy() },
      () => { /* no answer */ },
      status(429, { 'retry-after': '0' }),
      status(200)
    )
    await ann.send(group, 'stubborn')
    await ann.send(group, 'patient')
    await eventually(() => received.length === 7)
    t.strictSame(texts(), [...Array(6).fill('stubborn') as string[], 'patient'])
    t.equal(new Set(received.slice(0, 6).map(({ event }) => event.id)).size, 1)
    t.ok(received.every(({ path }) => path === '/hook'), 'redirects are not followed')

    // An answer that does not end, and a long one, are answers.
    answers.push((_, response) => { response.writeHead(200).write('x') }, (_, response) => { response.writeHead(200).end('x'.repeat(3_000_000)) })
    for (const text of ['open', 'long', 'last']) await ann.send(group, text)
    await eventually(() => received.length === 10)
    t.strictSame(texts().slice(7), ['open', 'long', 'last'])
    await eventually(async () => (await laneOf(made.id)).behind === 0)
    t.match(await laneOf(made.id), { lane: 0, failingSince: null, lastError: null, nextAttemptAt: null, gap: false })

    answers.push(...Array<Answer>(1000).fill(status(503, { 'retry-after': '3000' })))
    await ann.send(group, 'waiting')
    await eventually(async () => await failing(made.id))
    const lane = await laneOf(made.id)
    t.match(lane, { lastError: 'HTTP 503' })
    const wait = Date.parse(lane.nextAttemptAt!) - Date.parse(lane.failingSince!)
    t.ok(wait > 2_990_000 && wait < 3_100_000, `what Retry-After asks for: ${wait}`)
    answers.length = 0
    await webhooks.change(made.id, { enabled: false })
    await webhooks.change(made.id, { enabled: true })
    await eventually(() => received.length === 12)
    t.strictSame(texts().slice(-2), ['waiting', 'waiting'], 'who enables it does not wait')
    await webhooks.delete(made.id)
  })

  await t.test('an endpoint that does not answer delays no other, and a lane has one request at a time', async t => {
    const [slow, fast] = [await receiver(t), await receiver(t)]
    slow.answers.push(...Array<Answer>(100).fill(() => { /* no answer */ }))
    const made = await Promise.all([slow, fast].map(async ({ url }) => await webhooks.create({ url, events: ['message'], lanes: 2 })))
    const other = await ann.group([bob])
    const own = await ann.group([bob])
    for (const text of ['1', '2', '3']) for (const id of [other, own]) await ann.send(id, text)
    await eventually(() => fast.received.length === 6)
    await eventually(() => slow.received.length === 2)
    t.strictSame(slow.texts(), ['1', '1'], 'one for each of the lanes, which do not wait for each other')
    for (const id of [other, own]) t.strictSame(fast.received.filter(({ event }) => event.data['conversationId'] === id).map(({ event }) => event.data['text']), ['1', '2', '3'])
    for (const { id } of made) await webhooks.delete(id)
  })

  await t.test('what is refused three times is kept apart, can be sent again, and does not hold up the next', async t => {
    const { url, received, answers, texts } = await receiver(t)
    const { id } = await webhooks.create({ url, events: ['message'], lanes: 1 })
    answers.push(status(500), status(400), status(400), status(422))
    const bad = await ann.send(group, 'bad')
    await ann.send(group, 'good')
    await eventually(() => received.length === 5)
    t.strictSame(texts(), ['bad', 'bad', 'bad', 'bad', 'good'])
    const { dead, nextCursor } = await webhooks.dead(id)
    const eventId = received[0]!.event.id
    t.match(dead, [{ eventId, type: 'message', conversationId: group, error: 'HTTP 422', at: /Z$/ }])
    t.equal(dead.length, 1)
    t.equal(nextCursor, null)
    answers.push(status(400))
    t.match(await webhooks.retry(id, eventId), { delivered: false, statusCode: 400, error: 'HTTP 400' })
    await ann.ok('DELETE', `/api/chat/messages/${bad.id}`)
    t.match(await webhooks.retry(id, eventId), { delivered: true, statusCode: 204 })
    t.match(received.at(-1)!.event, { id: eventId, data: { text: '' } }, 'as it is then: a tombstone')
    t.strictSame((await webhooks.dead(id)).dead, [])
    for (const other of [eventId, 'nonsense', eventId.replace(/^[a-z0-9]+/, 'elsewhere'), eventId.replace(/-[a-z0-9]+/, '-00000000')]) {
      t.equal(await refusal(webhooks.retry(id, other)), 'NOT_FOUND Not found')
    }
    t.match(await refusal(webhooks.dead(id, 'x')), /INVALID_CURSOR/)

    // Skipping.
    t.strictSame(await webhooks.skip(id, { lane: 0 }), { skipped: null })
    t.match(await refusal(webhooks.skip(id, { lane: 1 })), /VALIDATION_FAILED/)
    const before = retryDelays.ms
    retryDelays.ms = [3_600_000]
    t.teardown(() => { retryDelays.ms = before })
    answers.push(status(500))
    await ann.send(group, 'blocks')
    await ann.send(group, 'waits')
    await eventually(async () => await failing(id))
    const { skipped } = await webhooks.skip(id, { lane: 0 })
    await eventually(() => texts().at(-1) === 'waits')
    t.match((await webhooks.dead(id)).dead, [{ eventId: skipped, error: 'HTTP 500' }])
    const [now, writer] = [Date.now(), new Writer(app.chatDatabase, () => {})]
    for (const [days, count] of [[29, 1], [31, 0]] as const) {
      await forgetDead(writer, now + days * 86_400_000)
      t.equal((await webhooks.dead(id)).dead.length, count, `after ${days} days`)
    }
    await webhooks.delete(id)
    t.equal(await app.chatDatabase.prisma.deadDelivery.count(), 0)
  })

  await t.test('an endpoint that is gone, or fails for three days, is disabled, and keeps its place', async t => {
    const { url, answers, refused, texts } = await receiver(t)
    const { id } = await webhooks.create({ url, events: ['message'], lanes: 1 })
    answers.push(status(410))
    await ann.send(group, 'one')
    await ann.send(group, 'two')
    await eventually(async () => !(await webhooks.get(id)).enabled)
    await eventually(async () => (await laneOf(id)).lastError === 'HTTP 410')
    t.match(await webhooks.get(id), { enabled: false, lanes: [{ nextAttemptAt: null }] })
    t.strictSame(texts(), ['one'])
    // A node that sees that it is enabled goes on at once. What it has sent then must not come again.
    const { followers } = app.chat
    const rows = followers.rows.bind(followers)
    followers.rows = async () => {
      const found = await rows()
      await eventually(async () => texts().includes('two') || (await app.chatDatabase.prisma.webhook.count({ where: { id, enabled: true } })) === 0)
      return found
    }
    await webhooks.change(id, { enabled: true })
    followers.rows = rows
    await eventually(() => texts().includes('two'))
    await ann.send(group, 'after')
    await eventually(() => texts().includes('after'))
    t.strictSame(texts(), ['one', 'one', 'two', 'after'])

    const before = retryDelays.ms
    retryDelays.ms = [3_600_000]
    t.teardown(() => { retryDelays.ms = before })
    refused.add('three')
    await ann.send(group, 'three')
    const led = (): ReturnType<typeof app.chat.followers.led> => app.chat.followers.led(`webhook:${id}:0`)
    await eventually(() => led()?.failing !== undefined)
    const run = led()!
    // As if it had failed for three days.
    Object.assign(run.failing!, { since: app.chatDatabase.clock.ticks() - FAILING_MAX_MS })
    run.hurry()
    await eventually(async () => !(await webhooks.get(id)).enabled)
    t.equal(texts().filter(text => text === 'three').length, 2)
    await webhooks.delete(id)
  })

  await t.test('over HTTP: for operators', async t => {
    const { url } = await receiver(t)
    const operator = user(app, 'operator', { chat_admin: true })
    const made = await operator.call<NewWebhook>('POST', '/api/admin/webhooks', { url, events: ['message'], lanes: 2 })
    t.match(made, { status: 201, body: { url, lanes: 2, secret: /^whsec_/ } })
    const path = `/api/admin/webhooks/${made.body.id}`
    const lanes = [{ lane: 0, behind: Number }, { lane: 1, position: Number }]
    t.match(await operator.call('GET', '/api/admin/webhooks'), { status: 200, body: { webhooks: [{ url, lanes }] } })
    t.match(await operator.call('GET', path), { status: 200, body: { url, lanes } })
    t.match(await operator.call('PATCH', path, { description: 'Mine', enabled: false }), { status: 200, body: { enabled: false, description: 'Mine' } })
    t.match(await operator.call('POST', `${path}/rotate`), { status: 200, body: { secret: /^whsec_/ } })
    t.match(await operator.call('POST', `${path}/test`), { status: 200, body: { delivered: true, statusCode: 204, durationMs: Number } })
    t.match(await operator.call('GET', `${path}/dead`), { status: 200, body: { dead: [], nextCursor: null } })
    t.match(await operator.call('POST', `${path}/dead/x/retry`), { status: 404 })
    t.match(await operator.call('POST', `${path}/skip`, { lane: 1 }), { status: 200, body: { skipped: null } })
    t.match((await operator.call('GET', '/metrics')).body, /chat_follower_behind\{name="webhook:wh_\w+:1"\} \d+\n[^]*chat_webhook_tries_total\{result="delivered"\} \d+/)
    const calls = [['GET', ''], ['PATCH', '', {}], ['POST', '/rotate'], ['POST', '/test'], ['GET', '/dead'], ['POST', '/dead/x/retry'], ['POST', '/skip', { lane: 0 }], ['DELETE', '']] as const
    for (const [method, rest, body] of calls) {
      t.match(await ann.call(method, path + rest, body), { status: 404 }, `${method} ${rest}: not for users`)
      t.match(await operator.call(method, `/api/admin/webhooks/%25${rest}`, body), { status: 404 }, `${method} ${rest}: unknown`)
    }
    t.match(await operator.call('DELETE', path), { status: 204 })
    t.match(await operator.call('DELETE', path), { status: 404 })
  })

  await t.test('what an endpoint may be', async t => {
    const create = async (change: object): Promise<string> => await refusal(webhooks.create({ url: 'https://127.0.0.1/', events: ['*'], ...change }))
    for (const url of ['nonsense', 'ftp://127.0.0.1/', 'https://user:password@127.0.0.1/', 'https://127.0.0.1/#part', 'https://127.0.0.1/#', '', `https://127.0.0.1/${'x'.repeat(2000)}`]) {
      t.match(await create({ url }), /VALIDATION_FAILED/, url.slice(0, 50))
    }
    for (const change of [{ events: [] }, { events: ['typing'] }, { events: ['nothing'] }, { lanes: 0 }, { lanes: 17 }, { lanes: 1.5 }, { secret: 'whsec_c2hvcnQ=' }, { secret: 'x' }, { from: 'middle' }]) {
      t.match(await create(change), /VALIDATION_FAILED/, JSON.stringify(change))
    }
    t.strictSame(await webhooks.list(), [])
  })
})

t.test('no webhook leads into a private network', async t => {
  for (const address of ['127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '255.255.255.255', '224.0.0.1', '::1', '::', 'fe80::1',
    'fc00::1', '::ffff:10.0.0.1', '::ffff:7f00:1', '::7f00:1', '64:ff9b::7f00:1', '2002:7f00:1::', '2001:db8::1', 'ff02::1', 'nonsense']) {
    t.equal(isPublicAddress(address), false, address)
  }
  for (const address of ['93.184.215.14', '2606:4700::1111']) t.equal(isPublicAddress(address), true, address)

  const { port, connections, received } = await receiver(t)
  const { lookup } = resolver
  t.teardown(() => { resolver.lookup = lookup })
  const names: Record<string, string[]> = { 'mixed.test': ['93.184.215.14', '127.0.0.1'], 'inside.test': ['127.0.0.1'], 'mapped.test': ['::ffff:127.0.0.1'], 'public.test': ['93.184.215.14'] }
  let lookUps = 0
  resolver.lookup = async host => {
    lookUps++
    const addresses = names[host]
    if (addresses === undefined) throw Object.assign(new Error('not found'), { code: 'ENOTFOUND' })
    return addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  const app = await build(t)
  const { webhooks } = app.chat
  for (const host of ['127.0.0.1', '2130706433', '0x7f.1', '[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', 'mixed.test', 'inside.test', 'mapped.test']) {
    t.match(await refusal(webhooks.create({ url: `http://${host}:${port}/`, events: ['*'] })), /VALIDATION_FAILED.*private network/, host)
  }
  t.match(await refusal(webhooks.create({ url: 'http://unknown.test/', events: ['*'] })), /cannot be resolved/)

  // The name leads elsewhere from the second look-up on.
  const { id } = await webhooks.create({ url: `http://public.test:${port}/`, events: ['message'], lanes: 1 })
  names['public.test'] = ['127.0.0.1']
  const [ann, bob] = users(app, 'ann', 'bob') as [User, User]
  await ann.send(await ann.direct(bob), 'Hello')
  await eventually(async () => (await webhooks.get(id)).lanes[0]!.lastError === 'private_address')
  t.match(await webhooks.test(id), { delivered: false, statusCode: null, error: 'private_address' })
  t.match(await refusal(webhooks.change(id, { url: `http://inside.test:${port}/` })), /private network/)
  t.equal(connections(), 0, 'nothing was asked')
  t.strictSame(received, [])

  await webhooks.delete(id)

  // Where private addresses are allowed, a connection takes one look-up.
  const open = await build(t, { chat: { webhookAllowPrivate: true, search: false } })
  const inside = await open.chat.webhooks.create({ url: `http://inside.test:${port}/`, events: ['message'] })
  lookUps = 0
  t.match(await open.chat.webhooks.test(inside.id), { delivered: true })
  t.match(await open.chat.webhooks.test(inside.id), { delivered: true })
  t.equal(lookUps, 1)
})
