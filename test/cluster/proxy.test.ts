import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { hasNginx, startNginx, startNodeProxy } from '../../scripts/cluster/proxy.js'
import { freePort } from '../chaos/server-process.js'
import { openEvents } from '../event-reader.js'
import { baseUrl, buildListening, users, type User } from '../helper.js'
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
    const opened = performance.now()
    await reader.next('connected')
    t.ok(performance.now() - opened < 1000)
    for (let n = 0; n < 5; n++) {
      const sent = performance.now()
      const response = await fetch(`http://127.0.0.1:${port}/api/chat/messages`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ann.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ conversationId: id, text: `n${n}` })
      })
      t.equal(response.status, 201)
      t.equal((await reader.next('message')).data.text, `n${n}`)
      t.ok(performance.now() - sent < 1000, 'not when a buffer is full')
      await sleep(20)
    }
    await reader.close()
    await eventually(() => app.hub.streamCount === 0)
    t.pass('who goes away is gone')
  })
}
