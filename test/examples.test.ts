import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { openEvents } from './event-reader.js'
import { baseUrl, build, buildListening, user } from './helper.js'
import { eventually } from './hub/eventually.js'
import type { MessagePage, OwnMessage } from '../schemas/messages.js'

const examples = fileURLToPath(new URL('../examples', import.meta.url))

/** Runs an example as its first lines say, until the test ends. @returns the address that it listens on */
async function run (t: Test, name: string, env: Record<string, string> = {}): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'chat-example-'))
  const child = spawn(process.execPath, ['--import=tsx', join(examples, name)], {
    env: { PATH: process.env.PATH, TSX_TSCONFIG_PATH: join(examples, 'tsconfig.json'), PORT: '0', DATABASE_URL: `file:${join(folder, 'chat.db')}`, ...env },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const [, address] = /^listening on (.*)$/.exec(line) ?? []
    if (address !== undefined) return address
  }
  throw new Error(`examples/${name} ended without listening`)
}

await t.test('embedding: the host\'s login is the chat\'s', async t => {
  const address = await run(t, 'embedding.ts')
  const login = async (name: string): Promise<Record<string, string>> => {
    const { headers, status } = await fetch(`${address}/login?name=${name}`, { method: 'POST' })
    t.equal(status, 204)
    return { cookie: headers.get('set-cookie')!.split(';')[0]! }
  }
  const post = async (path: string, body: object, headers: Record<string, string> = {}): Promise<Response> =>
    await fetch(`${address}${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })

  t.equal((await fetch(`${address}/chat/api/chat/me`)).status, 401, 'nobody is signed in')
  const [alice, bob] = [await login('alice'), await login('bob')]
  const stream = await openEvents(t, `${address}/chat/api/sse`, bob)
  await stream.next('connected')
  t.equal((await post('/chat/api/chat/conversations', { type: 'direct', userId: 'bob' }, alice)).status, 201)
  t.equal((await post('/chat/api/chat/messages', { conversationId: 'conv_alice_bob', text: 'Hello!' }, alice)).status, 201)
  t.match(await stream.next('message'), { data: { text: 'Hello!', sender: { userId: 'alice' } } })

  t.equal((await post('/notices', { to: 'bob', text: 'Your order is on its way' })).status, 200)
  t.match(await stream.next('message'), { data: { text: 'Your order is on its way', sender: { displayName: 'The shop' } } })
})

await t.test('order: saved with its message, or neither', async t => {
  const address = await run(t, 'order.ts')
  const order = async (article: string): Promise<number> => (await fetch(`${address}/orders`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ customer: 'ben', article })
  })).status
  t.strictSame(await Promise.all(['a lamp', 'nothing', 'a chair'].map(order)), [201, 500, 201])
  const history = await fetch(`${address}/chat/api/chat/conversations/conv_ben_shop/messages`, { headers: { 'x-user': 'ben' } })
  t.match(await history.json(), { messages: { length: 2 } })
})

await t.test('hub: events of one\'s own, to who follows', async t => {
  const address = await run(t, 'hub.ts')
  const [seven, eight] = await Promise.all([7, 8].map(async order => await openEvents(t, `${address}/orders/${order}/events`)))
  for (const path of ['7/paid', '8/paid', '7/shipped?carrier=bike']) t.equal((await fetch(`${address}/orders/${path}`, { method: 'POST' })).status, 204)
  t.match(await seven!.take(2), [{ type: 'orderPaid', data: { orderId: '7' } }, { type: 'orderShipped', data: { orderId: '7', carrier: 'bike' } }])
  t.match(await eight!.take(1), [{ type: 'orderPaid', data: { orderId: '8' } }])
})

await t.test('webhook-receiver: takes what is signed', async t => {
  const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
  const url = `${await run(t, 'webhook-receiver.ts', { WEBHOOK_SECRET: secret })}/chat-events`
  const { chat } = await build(t, { chat: { webhookAllowPrivate: true } })
  const { id } = await chat.webhooks.create({ url, events: ['*'], secret, lanes: 1 })
  t.match(await chat.webhooks.test(id), { delivered: true, statusCode: 204 })
  for (const userId of ['alice', 'bob']) await chat.ensureUser({ userId, displayName: null, avatar: null, issuedAt: null, expiresAt: null })
  await chat.createConversation('alice', { type: 'direct', userId: 'bob' })
  await eventually(async () => (await chat.webhooks.list())[0]!.lanes[0]!.behind === 0 && chat.webhooks.tries.delivered === 2)
  t.equal(chat.webhooks.tries.refused, 0)
  const { secret: other } = await chat.webhooks.create({ url, events: ['*'] })
  t.not(other, secret)
  t.match(await chat.webhooks.test((await chat.webhooks.list())[1]!.id), { delivered: false, statusCode: 401 })
})

const missing = ['curl', 'jq'].filter(tool => spawnSync(tool, ['--version']).status !== 0).join(', ')

await t.test('orders.sh: a back end with a key, in any language', { skip: missing !== '' && `without ${missing}` }, async t => {
  const key = `csk_${'k'.repeat(40)}`
  const app = await buildListening(t, { chat: { serviceKeys: `orders:${key}`, search: false } })
  const ben = await user(app, 'ben').arrive()
  const tell = async (...args: string[]): Promise<{ code: unknown, body: unknown }> => await new Promise(resolve => {
    const env = { PATH: process.env.PATH, CHAT_KEY: key, CHAT_URL: baseUrl(app) }
    execFile('sh', [join(examples, 'orders.sh'), ...args], { env }, (error, stdout) => {
      resolve({ code: error === null ? 0 : error.code, body: stdout === '' ? undefined : JSON.parse(stdout) as unknown })
    })
  })
  const text = 'Your “order” is on its way, it\'s \\o/ "soon"'
  const { code, body } = await tell('4711', 'ben', text)
  t.equal(code, 0)
  t.match(body, { text, senderId: 'shop', sender: { displayName: 'The shop', isBot: true }, metadata: { order: 4711 } })
  const { id, conversationId } = body as OwnMessage
  t.match(await tell('4711', 'ben', text), { code: 0, body: { id } }, 'again: the same message')
  t.equal((await ben.ok<MessagePage>('GET', `/api/chat/conversations/${conversationId}/messages`)).messages.length, 1)
  t.match(await tell('4711', 'ben', 'other'), { code: 22, body: { code: 'CLIENT_ID_REUSED' } })
  t.match(await tell('4712', 'nobody', text), { code: 22 }, 'a customer whom the chat does not know')
})
