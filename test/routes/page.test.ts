import { mkdtempSync, rmSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import pageRoutes, { type PageOptions } from '../../routes/page.js'
import { buildPage, LIMIT_KB } from '../../scripts/page.js'
import { build, user } from '../helper.js'

const folder = mkdtempSync(join(tmpdir(), 'chat-page-'))
t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
const directory = join(folder, 'web')
const { elements: weight } = await buildPage(directory)
const files = (await readdir(directory, { recursive: true })).filter((name) => /[.](js|css|svg)$/.test(name))
const isOfElements = (name: string) => name.startsWith('chat')
const assets = files.filter((name) => !isOfElements(name))
const elements = files.filter(isOfElements)

async function serve (t: Test, options: Partial<PageOptions> = {}, prefix = ''): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(pageRoutes, { signIn: 'accounts', docs: true, files: true, directory, prefix, ...options })
  t.teardown(async () => { await app.close() })
  return app
}

t.test('the page and its files', async (t) => {
  const app = await serve(t)
  const page = await app.inject('/')
  t.equal(page.statusCode, 200)
  t.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  t.equal(page.headers['cache-control'], 'no-cache')
  t.equal(page.headers['x-content-type-options'], 'nosniff')
  t.equal(page.headers['referrer-policy'], 'no-referrer')
  const policy = String(page.headers['content-security-policy'])
  for (const rule of ['default-src \'none\'', 'script-src \'self\'', 'style-src \'self\'', 'connect-src \'self\'', 'base-uri \'none\'', 'frame-ancestors \'none\'', 'form-action \'none\'']) {
    t.ok(policy.split('; ').includes(rule), rule)
  }
  t.notMatch(page.body, /<script(?![^>]* src=)|<style|\bstyle=|\bon[a-z]+=|(src|href)="(\/|https?:)/i, 'nothing inline, nothing from elsewhere, only relative addresses')
  const named = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!)
  for (const name of named) t.ok(assets.includes(name), `${name} is a file`)
  const scripts = await Promise.all(assets.filter((name) => name.endsWith('.js')).map(async (name) => (await app.inject({ url: `/${name}` })).body))
  for (const name of assets) t.ok(named.includes(name) || scripts.some((script) => script.includes(name)), `${name} is named by the page or by a script of it`)

  for (const name of assets) {
    const file = await app.inject(`/${name}`)
    t.equal(file.statusCode, 200, name)
    t.equal(file.headers['cache-control'], 'public, max-age=31536000, immutable')
    t.match(file.headers['content-type'], name.endsWith('.js') ? 'text/javascript' : name.endsWith('.css') ? 'text/css' : 'image/svg+xml')
  }
  t.equal((await app.inject('/../package.json')).statusCode, 404)
})

t.test('the elements are served to all origins, with the page or alone', async (t) => {
  t.ok(elements.includes('chat.js'))
  t.ok(weight <= LIMIT_KB * 1024, `${weight} bytes without what is loaded on demand`)
  for (const page of [true, false]) {
    const app = await serve(t, { page }, '/team')
    for (const name of elements) {
      const file = await app.inject(`/team/${name}`)
      t.equal(file.statusCode, 200, name)
      t.match(file.headers, {
        'access-control-allow-origin': '*',
        'cross-origin-resource-policy': 'cross-origin',
        'x-content-type-options': 'nosniff',
        'cache-control': name === 'chat.js' ? 'no-cache' : 'public, max-age=31536000, immutable'
      })
      t.equal(file.headers['content-security-policy'], undefined)
      for (const [, part] of file.body.matchAll(/["'](?:\.\/|chat\/)+([\w-]+-[A-Z0-9]{8}\.js)["']/g)) t.ok(elements.includes(`chat/${part}`), `${name} loads ${part}`)
    }
    t.equal((await app.inject('/team/')).statusCode, page ? 200 : 404)
    t.equal((await app.inject(`/team/${assets[0]}`)).statusCode, page ? 200 : 404)
    t.equal((await app.inject('/team/chat.d.ts')).statusCode, 404)
  }
})

t.test('who may hold the page in a frame', async (t) => {
  const app = await serve(t, { frameAncestors: ['self', 'https://*.example.com'] })
  t.match((await app.inject('/')).headers['content-security-policy'], "frame-ancestors 'self' https://*.example.com;")
  for (const source of ["'self'", '*', 'https://a.example; script-src *', 'javascript:', 'https://a.example/path', 'a b', '']) {
    await t.rejects(build(t, { chat: { page: true, frameAncestors: [source] } }), { message: /frameAncestors must be/ }, source)
  }
})

t.test('HEAD, ETag and gzip', async (t) => {
  const app = await serve(t)
  const [whole, head, gzipped] = await Promise.all([
    app.inject('/'),
    app.inject({ method: 'HEAD', url: '/' }),
    app.inject({ url: '/', headers: { 'accept-encoding': 'br, gzip' } })
  ])
  t.equal(head.statusCode, 200)
  t.equal(head.body, '')
  t.equal(head.headers.etag, whole.headers.etag)
  t.equal(gzipped.headers['content-encoding'], 'gzip')
  t.equal(gunzipSync(gzipped.rawPayload).toString(), whole.body)
  for (const [accepted, encoding] of [
    ['gzip;q=0', undefined], ['gzip ; q=0.000', undefined], ['br, gzip;q=0', undefined], ['notgzip', undefined], ['', undefined],
    ['GZIP', 'gzip'], ['br;q=1.0, gzip;q=0.001', 'gzip'], ['br,gzip ,deflate', 'gzip']
  ] as const) {
    t.equal((await app.inject({ url: '/', headers: { 'accept-encoding': accepted } })).headers['content-encoding'], encoding, accepted)
  }
  const unchanged = await app.inject({ url: '/', headers: { 'if-none-match': `"other", ${String(whole.headers.etag)}` } })
  t.equal(unchanged.statusCode, 304)
  t.equal(unchanged.body, '')
  t.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 404)
})

t.test('below a prefix it lies in a folder', async (t) => {
  const app = await serve(t, {}, '/team/chat')
  t.equal((await app.inject('/team/chat/')).statusCode, 200)
  const moved = await app.inject('/team/chat?a=1')
  t.equal(moved.statusCode, 308)
  t.equal(moved.headers.location, 'chat/?a=1', 'relative, for proxies that put something before it')
})

t.test('the page knows how one gets in, and what there is', async (t) => {
  for (const signIn of ['accounts', 'token', 'host'] as const) {
    const app = await serve(t, { signIn, docs: false, files: false })
    t.match((await app.inject('/')).body, `<html lang="en" data-sign-in="${signIn}" data-docs="off" data-files="off" data-empty="off">`)
  }
  const app = await build(t, { chat: { page: true } })
  t.match((await app.inject('/')).body, 'data-files="off" data-empty="on"')
  await user(app, 'first').arrive()
  const page = await app.inject('/')
  t.match(page.body, 'data-empty="off"')
  t.equal((await app.inject({ url: '/', headers: { 'if-none-match': String(page.headers.etag) } })).statusCode, 304)
})

t.test('without a build the service starts, and says so', async (t) => {
  const app = await serve(t, { directory: join(folder, 'nowhere') })
  const answer = await app.inject('/')
  t.equal(answer.statusCode, 503)
  t.match(answer.body, 'npm run build')
})

t.test('it is there when asked for', async (t) => {
  const off = await build(t)
  t.equal((await off.inject('/')).statusCode, 404)
  const widget = await build(t, { chat: { widget: true } })
  t.equal((await widget.inject('/')).statusCode, 404)
  const on = await build(t, { chat: { page: true } })
  t.not((await on.inject('/')).statusCode, 404)
  t.notMatch((await on.inject('/api/openapi.json')).body, '"/":', 'and no part of the documents')
})
