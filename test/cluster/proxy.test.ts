import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EventSource } from 'eventsource'
import t from 'tap'
import { ended, hasNginx, startNginx, startNodeProxy } from '../../scripts/cluster/proxy.js'
import { freePort } from '../chaos/server-process.js'
import { openEvents } from '../event-reader.js'
import { baseUrl, build, buildListening, throwAwayStore, token, user, users, type User } from '../helper.js'
import { eventually } from '../hub/eventually.js'

for (const [name, start, skip] of [
  ['nginx with its default buffering', startNginx, hasNginx() ? false : 'nginx is not installed'],
  ['the proxy of the cluster script', startNodeProxy, false]
] as const) {
  t.test(`through ${name} events arrive at once`, { skip }, async t => {
    const app = await buildListening(t)
    const port = await freePort()
    const gone = await freePort()
    const proxy = await start({ port, nodes: [gone, Number(new URL(baseUrl(app)).port)] })
    t.teardown(async () => { await proxy.stop() })
    const [ann, bob] = users(app, 'ann', 'bob') as [User, User]
    const id = await ann.direct(bob)
    const reader = await openEvents(t, `http://127.0.0.1:${port}/api/sse?conversationId=${id}`, { authorization: `Bearer ${bob.token}` })
    await reader.next('connected')
    for (let n = 0; n < 5; n++) {
      const response = await fetch(`http://127.0.0.1:${port}/api/chat/messages`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ann.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ conversationId: id, text: `n${n}` })
      })
      t.equal(response.status, 201)
      t.equal((await reader.next('message')).data.text, `n${n}`)
      await sleep(20)
    }
    await reader.close()
    await eventually(() => app.hub.streamCount === 0)
    t.pass('who goes away is gone')
  })
}

/** What makes a recipe of deploy/ run here: its file with other addresses, and how its program is started. */
interface Recipe {
  file: string
  program: string
  version: string
  /** The recipe for a proxy on `port` in front of `node`, which compresses what it may. */
  adapt(recipe: string, port: number, node: number): string
  /** What stands around a recipe that is a part of a configuration. */
  whole?(folder: string, recipe: string): string
  start(folder: string, file: string): string[]
}

const recipes: Recipe[] = [
  {
    file: 'nginx.conf',
    program: 'nginx',
    version: '-v',
    adapt: (recipe, port, node) => recipe.replace('127.0.0.1:8080', `127.0.0.1:${port}`).replace('127.0.0.1:3000', `127.0.0.1:${node}`)
      .replace('location / {', 'gzip on; gzip_types *; gzip_proxied any; location / {'),
    whole (folder, recipe) {
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`).join(' ')
      return `${process.getuid?.() === 0 ? 'user root;' : ''} pid ${folder}/nginx.pid; error_log ${folder}/error.log;
        events {} http { access_log off; ${temporary} ${recipe} }`
    },
    start: (folder, file) => ['-p', folder, '-e', join(folder, 'error.log'), '-c', file, '-g', 'daemon off;']
  },
  {
    file: 'Caddyfile',
    program: 'caddy',
    version: 'version',
    adapt: (recipe, port, node) => recipe.replace('https_port 8443', 'admin off').replace('auto_https disable_redirects', '')
      .replace('localhost {', `http://127.0.0.1:${port} {\n\tencode gzip`).replace('node-1:3000 node-2:3000', `127.0.0.1:${node}`)
      .replace('lb_try_duration 5s', 'lb_try_duration 200ms').replace('health_interval 1s', 'health_interval 100ms'),
    start: (_folder, file) => ['run', '--config', file, '--adapter', 'caddyfile']
  },
  {
    file: 'haproxy.cfg',
    program: 'haproxy',
    version: '-v',
    adapt: (recipe, port, node) => recipe.replace('127.0.0.1:8080', `127.0.0.1:${port}`).replaceAll('127.0.0.1:3000', `127.0.0.1:${node}`)
      .replace('retries 3', 'retries 0').replace('inter 1s', 'inter 100ms').replace(/^backend streams$/m, '$&\n  compression algo gzip'),
    start: (_folder, file) => ['-db', '-f', file]
  }
]

for (const { file, program, version, adapt, whole = (_folder: string, recipe: string) => recipe, start } of recipes) {
  const skip = spawnSync(program, [version]).status === 0 ? false : `${program} is not installed`
  t.test(`with deploy/${file}, an EventSource survives that its only node restarts`, { skip }, async t => {
    const [port, node] = [await freePort(), await freePort()]
    const folder = mkdtempSync(join(tmpdir(), 'chat-proxy-'))
    const recipe = readFileSync(new URL(`../../deploy/${file}`, import.meta.url), 'utf8')
    writeFileSync(join(folder, file), whole(folder, adapt(recipe, port, node).replaceAll('retry: 3000', 'retry: 300')))
    const child = spawn(program, start(folder, join(folder, file)), { stdio: 'ignore', env: { PATH: process.env.PATH, HOME: folder } })
    t.teardown(async () => {
      // Caddy and haproxy would wait for open connections; nginx would leave its workers behind
      await ended(child, program === 'nginx' ? 'SIGTERM' : 'SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    })
    const url = `http://127.0.0.1:${port}`
    await eventually(async () => await fetch(url).then(() => true, () => false))

    await t.test('no node is there', async t => {
      const later = await fetch(`${url}/api/sse?x=y`)
      t.match([later.status, later.headers.get('content-type'), later.headers.get('cache-control'), await later.text()],
        [200, /^text\/event-stream/, 'no-store', /^retry: 300\n\n$/])
      t.match((await fetch(`${url}/api/chat/me`)).status, /^50[23]$/, 'other calls are told the truth')
    })

    const told = new Set<string>()
    let ends = 0
    // An EventSource that comes while no node is there
    const source = new EventSource(`${url}/api/sse?token=${token({ sub: 'bob' })}`)
    t.teardown(() => { source.close() })
    source.addEventListener('error', () => { ends++ })
    source.addEventListener('message', ({ data }) => { told.add(JSON.parse(data).text) })
    const connected = async () => { await new Promise(resolve => { source.addEventListener('connected', resolve, { once: true }) }) }
    const endsAgain = async () => {
      const before = ends
      await eventually(() => ends > before + 1)
      t.not(source.readyState, source.CLOSED)
    }
    await endsAgain()

    const store = await throwAwayStore()
    t.teardown(store.remove)
    const startNode = async () => {
      const app = await build(t, { chat: store.options })
      const welcome = connected()
      await app.listen({ host: '127.0.0.1', port: node })
      await welcome
      return app
    }
    const first = await startNode()
    t.equal((await fetch(`${url}/api/sse`)).status, 401, 'what the chat says is passed on')
    const [ann, bob] = users(first, 'ann', 'bob') as [User, User]
    const id = await ann.direct(bob)
    await ann.send(id, 'before')
    await eventually(() => told.has('before'))

    // As when a node is killed: the stream is cut, and nobody says when to come back
    first.server.closeAllConnections()
    await first.close()
    await endsAgain()
    const second = await startNode()
    await user(second, 'ann').send(id, 'after')
    await eventually(() => told.has('after'))
    source.close()

    await t.test('a resumed stream is not held back by a proxy that compresses', async t => {
      const stream = `${url}/api/sse?conversationId=${id}`
      const reader = await openEvents(t, stream, { authorization: `Bearer ${bob.token}`, 'accept-encoding': 'gzip' })
      const { id: from } = await reader.next('connected')
      await reader.close()
      for (let n = 0; n < 40; n++) await user(second, 'ann').send(id, `meanwhile ${n}`)
      const resumed = await openEvents(t, stream, { authorization: `Bearer ${bob.token}`, 'accept-encoding': 'gzip', 'last-event-id': from! })
      t.notMatch(resumed.headers['content-encoding'] ?? '', 'gzip')
      t.equal((await resumed.next('message')).data.text, 'meanwhile 0')
      await resumed.close()
    })
  })
}
