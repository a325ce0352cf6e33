import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ended, hasNginx, startNginx, startNodeProxy } from '../../scripts/cluster/proxy.js'
import { freePort } from '../chaos/server-process.js'
import { openEvents } from '../event-reader.js'
import { baseUrl, build, buildListening, users, type User } from '../helper.js'
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

t.test('with deploy/nginx.conf, an EventSource comes back after a restart', { skip: hasNginx() ? false : 'nginx is not installed' }, async t => {
  const [port, node] = [await freePort(), await freePort()]
  const folder = mkdtempSync(join(tmpdir(), 'chat-nginx-'))
  const site = readFileSync(new URL('../../deploy/nginx.conf', import.meta.url), 'utf8')
    .replace('127.0.0.1:8080', `127.0.0.1:${port}`).replace('127.0.0.1:3000', `127.0.0.1:${node}`)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`).join(' ')
  writeFileSync(join(folder, 'nginx.conf'), `${process.getuid?.() === 0 ? 'user root;' : ''} pid ${folder}/nginx.pid; error_log ${folder}/error.log;
    events {} http { access_log off; ${temporary} ${site} }`)
  const child = spawn('nginx', ['-p', folder, '-e', join(folder, 'error.log'), '-c', join(folder, 'nginx.conf'), '-g', 'daemon off;'], { stdio: 'ignore' })
  t.teardown(async () => {
    await ended(child, 'SIGTERM')
    rmSync(folder, { recursive: true, force: true })
  })
  const url = `http://127.0.0.1:${port}`
  await eventually(async () => await fetch(url).then(() => true, () => false))
  const later = await fetch(`${url}/api/sse`)
  t.match([later.status, later.headers.get('content-type'), later.headers.get('cache-control'), await later.text()], [200, /^text\/event-stream/, 'no-store', 'retry: 3000\n\n'])
  t.equal((await fetch(`${url}/api/chat/me`)).status, 502, 'other calls are told the truth')

  const app = await build(t)
  await app.listen({ host: '127.0.0.1', port: node })
  const [ann, bob] = users(app, 'ann', 'bob') as [User, User]
  const id = await ann.direct(bob)
  const connect = async () => await openEvents(t, `${url}/api/sse?conversationId=${id}`, { authorization: `Bearer ${bob.token}` })
  await eventually(async () => (await fetch(`${url}/health/live`)).status !== 502)
  const reader = await connect()
  await reader.next('connected')
  await ann.send(id, 'hello')
  t.equal((await reader.next('message')).data.text, 'hello')
  t.equal((await fetch(`${url}/api/sse`)).status, 401, 'what the chat says is passed on')
  await reader.close()
})
