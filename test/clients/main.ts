// `npm run clients [-- name …]`: the stream, read by clients that others wrote. Each gets what happens live, nothing that is not an event,
// and what happened while its server was restarted. The rows of docs/other-clients.md are these tests.

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build as bundle } from 'esbuild'
import type { FastifyInstance } from 'fastify'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { launch } from '../browser/browser.js'
import { freePort } from '../chaos/server-process.js'
import { connect } from '../event-reader.js'
import { build, throwAwayStore, user, users, type User } from '../helper.js'
import { eventually } from '../hub/eventually.js'
import { clients as inNode } from './in-node.js'

type Hear = (type: string, data: unknown, id: string) => void

interface Client {
  comesBack: string
  /** Gets no other events. */
  messagesOnly?: boolean
  /** Tells no ids, so that nobody can resume. */
  withoutIds?: boolean
  open(url: string, token: string, hear: Hear): (() => void) | Promise<() => Promise<void>>
}

const here = new URL('./', import.meta.url)
const { dependencies } = JSON.parse(readFileSync(new URL('package.json', here), 'utf8')) as { dependencies: Record<string, string> }
const documented = readFileSync(new URL('../../docs/other-clients.md', here), 'utf8')

t.setTimeout(600_000)

/** Who hears what the client on the page tells. */
let onPage: Hear | undefined
const page = await blankPage(t)
const inBrowser = await page.evaluate('Object.entries(clients).map(([name, { comesBack, messagesOnly }]) => [name, { comesBack, messagesOnly }])') as Array<[string, Client]>
const all: Array<[place: string, name: string, client: Client]> = [
  ...Object.entries(inNode as Record<string, Client>).map(([name, client]) => ['Node.js', name, client] as [string, string, Client]),
  ...inBrowser.map(([name, client]) => ['browser', name, { ...client, open: openOnPage(name) }] as [string, string, Client])
]
const named = process.argv.slice(2)

for (const [place, name, client] of all) {
  if (named.length > 0 && !named.includes(name)) continue
  await t.test(`${name} in ${place}`, async t => { await row(t, name, client) })
}

// Clients that wait to come back would keep the process
t.teardown(() => { setTimeout(() => process.exit(), 1000) })

async function row (t: Test, name: string, { open, comesBack, messagesOnly = false, withoutIds = false }: Client): Promise<void> {
  const version = dependencies[name]?.replace(/^npm:.*@/, '')
  if (version !== undefined) t.ok(documented.split('\n').some(line => line.startsWith('|') && line.includes(version)), `docs/other-clients.md says ${version}`)

  const store = await throwAwayStore()
  t.teardown(store.remove)
  const port = await freePort()
  const corsOrigins = [new URL(page.url()).origin]
  const start = async (): Promise<FastifyInstance> => await build(t, { chat: { ...store.options, heartbeatMs: 100 }, corsOrigins })
  const first = await start()
  await first.listen({ host: '127.0.0.1', port })
  const [ann, bob] = users(first, 'ann', 'bob') as [User, User]
  const id = await ann.direct(bob)

  const heard: Array<{ type: string, data: unknown, id: string }> = []
  const url = `http://127.0.0.1:${port}/api/sse?conversationId=${id}`
  const close = await open(url, bob.token, (type, data, id) => { heard.push({ type, data, id }) })
  t.teardown(close)
  const messages = () => heard.filter(({ type, data }) => type === 'message' && data !== '' && data !== undefined)
  const texts = () => messages().map(({ data }) => (JSON.parse(String(data)) as { text: string }).text)
  if (!messagesOnly) await eventually(() => heard.some(({ type }) => type === 'connected'))
  await eventually(() => first.hub.streamCount === 1)
  await ann.send(id, 'live')
  await eventually(() => texts().includes('live'))

  const beside = await connect(url, { authorization: `Bearer ${bob.token}` })
  await eventually(() => beside.comments.length > 3)
  await beside.close()
  await ann.send(id, 'after heartbeats')
  await eventually(() => texts().includes('after heartbeats'))
  const empty = heard.filter(({ data }) => data === '' || data === undefined)
  t.strictSame(empty, [], 'a heartbeat is no event')

  if (withoutIds) {
    t.ok(heard.every(({ id }) => id === ''), 'no ids: nothing can be resumed')
    return
  }
  await first.close()
  const second = await start()
  await user(second, 'ann').send(id, 'meanwhile')
  await second.listen({ host: '127.0.0.1', port })
  await eventually(() => texts().includes('meanwhile'), 20_000)
  t.strictSame(texts(), ['live', 'after heartbeats', 'meanwhile'], `what was missed comes, once: ${comesBack}`)
}

/** A page of another origin than the chat's, with the clients of in-browser.js. */
async function blankPage (t: Test): Promise<Page> {
  const { outputFiles } = await bundle({
    entryPoints: [fileURLToPath(new URL('in-browser.js', here))],
    bundle: true,
    write: false,
    format: 'iife',
    logLevel: 'error'
  })
  const server = createServer((_request, response) => { response.setHeader('content-type', 'text/html').end('<!doctype html><title>blank</title>') })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const browser = await launch(t)
  t.teardown(() => { server.close() })
  const page = await browser.newPage()
  await page.exposeFunction('hear', (...heard: Parameters<Hear>) => { onPage?.(...heard) })
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  await page.evaluate(outputFiles[0]!.text)
  return page
}

function openOnPage (name: string): Client['open'] {
  return async (url, token, hear) => {
    onPage = hear
    await page.evaluate(`openClient(${JSON.stringify(name)}, ${JSON.stringify(url)}, ${JSON.stringify(token)})`)
    return async () => {
      await page.evaluate('closeClient()')
      onPage = undefined
    }
  }
}
