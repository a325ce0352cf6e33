import { execFileSync } from 'node:child_process'
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openSqlite } from '../chaos/database.js'
import { Caller, eventually, startServer, temporaryFolder } from './process.js'

const mount = (folder: string): void => { execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], { stdio: 'ignore' }) }
const unmount = (folder: string): void => { execFileSync('umount', ['-l', folder], { stdio: 'ignore' }) }

/** Why no small file system can be mounted, or false. */
function skipWithoutMounts (): string | false {
  const folder = temporaryFolder(t)
  try {
    mount(folder)
    unmount(folder)
    return false
  } catch {
    return 'a small file system can\'t be mounted (only root may)'
  }
}

await t.test('a full disk', { skip: skipWithoutMounts() }, async t => {
  const folder = temporaryFolder(t)
  mount(folder)
  t.teardown(() => { unmount(folder) })
  const file = join(folder, 'chat.db')
  const server = await startServer(t, file)
  const anna = new Caller(server, 'anna')
  const ben = new Caller(server, 'ben')
  const conversationId = await anna.direct(ben)
  const stream = await ben.stream(t, { conversationId })
  await stream.next('connected')

  const { bavail, bsize } = statfsSync(folder)
  const filler = join(folder, 'filler')
  writeFileSync(filler, Buffer.alloc(bavail * bsize))

  const acknowledged: string[] = []
  let refused = 0
  const text = 'x'.repeat(3000)
  for (let n = 0; refused < 5 && n < 3000; n++) {
    const { status, body, headers, ms } = await anna.send(conversationId, text, `m${n}`)
    if (status === 201) {
      acknowledged.push(`m${n}`)
    } else {
      refused++
      t.equal(status, 503)
      t.equal(body.code, 'UNAVAILABLE')
      t.ok(Number(headers['retry-after']) > 0)
      t.ok(ms < 9000)
    }
  }
  t.equal(refused, 5, 'writes are refused')
  t.equal((await anna.call('GET', '/health/live')).status, 200)
  t.equal((await anna.call('GET', `/api/chat/conversations/${conversationId}/messages`)).status, 200, 'reading goes on')
  const turnedAway = await ben.stream(t, { conversationId })
  t.equal(turnedAway.status, 200)
  t.match((await turnedAway.next('disconnect')).data, { reason: 'unavailable' })

  rmSync(filler)
  await eventually('writing again', async () => (await anna.send(conversationId, 'the end', 'end')).status < 300)
  acknowledged.push('end')
  const events = await stream.until(({ data }) => data.clientId === 'end')
  t.strictSame(events.filter(({ type }) => type === 'message').map(({ data }) => data.clientId), acknowledged, 'all of it, once, in order, on the stream that was open')
  await server.kill()
  const database = openSqlite(file)
  const { messages } = await database.snapshot()
  await database.close()
  t.strictSame(messages.map(({ clientId }) => clientId), acknowledged, 'nothing that was acknowledged is missing, and nothing that was refused is there')
})
