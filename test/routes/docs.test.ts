import Fastify from 'fastify'
import t from 'tap'
import chat from '../../app.js'
import { errorCatalogue } from '../../schemas/errors.js'
import { build, listen, throwAwayStore } from '../helper.js'
import { launch, noBrowser, profile } from '../browser/browser.js'

const documents = ['/api/openapi.json', '/api/asyncapi.json', '/api/llms.txt', '/docs']

await t.test('the documents need no token, and the option docs removes all', async t => {
  for (const prefix of ['', '/chat']) {
    const [shown, hidden] = [await build(t, { chat: { prefix } }), await build(t, { chat: { prefix, docs: false } })]
    for (const path of [...documents, '/docs/', '/docs/static/swagger-ui-bundle.js']) {
      t.equal((await shown.inject(prefix + path)).statusCode, 200, prefix + path)
      t.match((await hidden.inject(prefix + path)).json(), { statusCode: 404, code: 'NOT_FOUND' }, `${prefix}${path}: gone`)
    }
  }
})

await t.test('a host keeps its own /docs', async t => {
  const { options, remove } = await throwAwayStore()
  const host = Fastify()
  t.teardown(async () => { await host.close(); await remove() })
  host.get('/docs', async () => 'of the host')
  await host.register(chat, { ...options, authenticate: () => undefined })
  t.equal((await host.inject('/docs')).body, 'of the host')
  t.equal((await host.inject('/api/openapi.json')).statusCode, 200)
})

await t.test('llms.txt has the tour, and every error', async t => {
  const app = await build(t, { chat: { prefix: '/chat' } })
  const { headers, body } = await app.inject({ url: '/chat/api/llms.txt', headers: { host: 'chat.example:8080' } })
  t.equal(headers['content-type'], 'text/plain; charset=utf-8')
  t.match(body, 'curl -s http://chat.example:8080/chat/api/chat/messages')
  t.match(body, 'This service has no accounts')
  t.notMatch(body, 'localhost')
  for (const [code, [status, message]] of Object.entries(errorCatalogue)) t.match(body, `${status} ${code}: ${message}\n`)
  const { body: other } = await app.inject({ url: '/chat/api/llms.txt', headers: { host: 'x;rm -rf' } })
  t.notMatch(other, 'rm -rf', 'a name that is none is in no command')
})

await t.test('the page of the documents has a strict policy', async t => {
  const app = await build(t, { chat: {} })
  for (const url of ['/docs', '/docs/', '/docs/static/swagger-ui.css']) {
    const { headers } = await app.inject(url)
    const policy = String(headers['content-security-policy'])
    t.match(policy, 'default-src \'none\'')
    t.match(policy, 'frame-ancestors \'none\'')
    t.notMatch(policy, /unsafe|https:|\*/)
    t.match(headers, { 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
  }
})

await t.test('in a browser it shows the calls within its policy', { skip: noBrowser }, async t => {
  for (const prefix of ['', '/chat']) {
    const address = await listen(await build(t, { chat: { prefix } }))
    const { page, problems } = await (await profile(t, await launch(t), address))()
    for (const path of ['/docs', '/docs/']) {
      await page.goto(prefix + path)
      await page.locator('.opblock-summary-path', { hasText: '/api/chat/messages' }).first().waitFor()
    }
    t.strictSame(problems, [])
  }
})
