import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createChatClient, createSession, openConversation, type ChatClient, type LiveConversation } from '../../client/index.js'
import { picture } from '../files/pictures.js'
import { buildWithFiles, onDisk } from '../files/upload.js'
import { baseUrl, listen, token, users, type User } from '../helper.js'

// Within a test, so that the users' tokens are not made by a clock that another suite of the process has moved.
await t.test('files', async t => {
  const { app, dir } = await buildWithFiles(t, { chat: { maxFileBytes: 200_000 } })
  await listen(app)
  // A call that is aborted while it connects leaves a connection without a request, for which closing would wait.
  t.teardown(() => { app.server.closeAllConnections() })
  const url = baseUrl(app)
  const clientOf = (id: string, options = {}): ChatClient => createChatClient({ baseUrl: url, token: token({ sub: id }), retryBaseMs: 1, ...options })
  const [ann, ben] = users(app, 'ann', 'ben') as [User, User]

  async function until (live: LiveConversation, isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>(resolve => {
        const stop = live.subscribe(() => { stop(); resolve() })
      })
    }
  }

  await t.test('uploading, URLs, deleting', async t => {
    let calls = 0
    const client = clientOf('ann', { fetch: (async (...args: Parameters<typeof fetch>) => { calls++; return await fetch(...args) }) as typeof fetch })
    const sent: number[] = []
    const file = await client.upload(new File([await picture('png')], 'ü.png'), { onProgress: part => { sent.push(part) } })
    t.match(file, { name: 'ü.png', type: 'image/png', hasThumbnail: true })
    t.strictSame(sent, [1], 'without XMLHttpRequest, at the end')
    const text = await client.upload(new Blob(['hello']), { name: 'x.txt' })
    t.match(text, { name: 'x.txt', type: 'text/plain' })
    calls = 0
    const urls = await Promise.all([
      client.fileUrl(file.fileId), client.fileUrl(file.fileId, { thumbnail: true }), client.fileUrl(text.fileId), client.fileUrl(text.fileId, { thumbnail: true }), client.fileUrl('nothing')
    ])
    t.equal(calls, 1, 'together they are one request')
    t.equal(await client.fileUrl(file.fileId), urls[0])
    t.equal(calls, 1, 'and then none')
    t.strictSame(urls.slice(3), [null, null], 'no thumbnail, no file')
    t.equal(await (await fetch(urls[2]!)).text(), 'hello')
    t.equal((await fetch(urls[1]!)).headers.get('content-type'), 'image/webp')
    await client.deleteFile(text.fileId)
    t.equal((await fetch(urls[2]!)).status, 404)
    await t.rejects(client.upload(new Blob([new Uint8Array(200_001)])), { code: 'FILE_TOO_LARGE' })
    const abort = new AbortController()
    const aborted = client.upload(new Blob(['x']), { signal: abort.signal })
    abort.abort(new Error('no more'))
    await t.rejects(aborted, { message: 'no more' })
    const many = await Promise.all(Array.from({ length: 150 }, async (_, index) => await client.fileUrl(`none-${index}`)))
    t.equal(many.length, 150)
    t.equal(calls > 3, true, 'a hundred at a time')
  })

  await t.test('behind a proxy that adds a prefix', async t => {
    const proxy = createServer((request, response) => {
      void (async () => {
        const answer = await app.inject({ method: request.method as 'GET', url: request.url!.replace('/behind', ''), headers: request.headers as Record<string, string>, payload: request })
        response.writeHead(answer.statusCode, { 'content-type': String(answer.headers['content-type']) }).end(answer.rawPayload)
      })()
    }).listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    t.teardown(() => { proxy.close() })
    const client = createChatClient({ baseUrl: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/behind`, token: token({ sub: 'ann' }) })
    const { fileId } = await client.upload(new Blob(['behind']))
    t.equal(await (await fetch((await client.fileUrl(fileId))!)).text(), 'behind')
  })

  /** As much of XMLHttpRequest as browsers have, on fetch. */
  class Xhr {
    upload: { onprogress: ((event: { loaded: number, total: number }) => void) | null } = { onprogress: null }
    onload: (() => void) | null = null
    onerror: (() => void) | null = null
    onloadend: (() => void) | null = null
    status = 0
    responseText = ''
    #headers: Record<string, string> = {}
    #answer: Headers | undefined
    #method = ''
    #url = ''
    #abort = new AbortController()

    open (method: string, url: string): void { [this.#method, this.#url] = [method, url] }
    setRequestHeader (name: string, value: string): void { this.#headers[name] = value }
    getResponseHeader (name: string): string | null { return this.#answer?.get(name) ?? null }
    abort (): void { this.#abort.abort() }
    send (body: unknown): void {
      this.upload.onprogress?.({ loaded: 1, total: 2 })
      fetch(this.#url, { method: this.#method, headers: this.#headers, body: body as FormData, signal: this.#abort.signal }).then(async answer => {
        this.#answer = answer.headers
        this.status = answer.status
        this.responseText = await answer.text()
        this.onload?.()
      }, () => this.onerror?.()).finally(() => this.onloadend?.())
    }
  }

  await t.test('with XMLHttpRequest, progress is told on the way', async t => {
    const globals = globalThis as { XMLHttpRequest?: unknown }
    globals.XMLHttpRequest = Xhr
    t.teardown(() => { delete globals.XMLHttpRequest })
    const client = clientOf('ann')
    const sent: number[] = []
    const { fileId, name } = await client.upload(new File(['x'], 'x.txt'), { onProgress: part => { sent.push(part) } })
    t.equal(name, 'x.txt')
    t.strictSame(sent, [0.5, 1])
    await client.deleteFile(fileId)
    await t.rejects(client.upload(new Blob([new Uint8Array(200_001)])), { code: 'FILE_TOO_LARGE', statusCode: 413 })
    const abort = new AbortController()
    const aborted = client.upload(new Blob(['x']), { signal: abort.signal })
    setImmediate(() => { abort.abort(new Error('no more')) })
    await t.rejects(aborted)
    await t.rejects(createChatClient({ baseUrl: 'http://127.0.0.1:1', token: 't', maxRetries: 0 }).upload(new Blob(['x'])), { code: 'NETWORK' })
  })

  await t.test('live state: the bubble stands at once, and a failed upload can be retried', async t => {
    const id = await ann.direct(ben)
    let fails = 0
    let held: Promise<void> | undefined
    const client = clientOf('ann', {
      maxRetries: 0,
      fetch: (async (to: string, init: RequestInit) => {
        if (to.endsWith('/files')) {
          await held
          init.signal?.throwIfAborted()
          if (fails-- > 0) return new Response(JSON.stringify({ statusCode: 415, code: 'FILE_TYPE_NOT_ALLOWED', error: 'x', message: 'x' }), { status: 415, headers: { 'content-type': 'application/json' } })
        }
        return await fetch(to, init)
      }) as typeof fetch
    })
    const session = createSession(client, { shareTabs: false })
    const live = openConversation(session, id)
    t.teardown(() => { live.close(); session.close() })
    await until(live, () => live.getSnapshot().status === 'ready')
    const find = (key: string) => live.getSnapshot().messages.find(message => message.key === key)

    let release = (): void => {}
    held = new Promise(resolve => { release = resolve })
    const key = live.send({ text: 'Look', files: [new File(['one'], 'one.txt'), new File([await picture('png')], 'two.png')] })
    t.match(find(key), { text: 'Look', status: 'sending', attachments: [], uploads: [{ name: 'one.txt', progress: 0, file: null }, { name: 'two.png' }] })
    fails = 1
    release()
    await until(live, () => find(key)?.status === 'failed')
    t.match(find(key), { error: { code: 'FILE_TYPE_NOT_ALLOWED' } })
    live.retry(key)
    await until(live, () => find(key)?.seq != null)
    t.match(find(key), { status: 'sent', text: 'Look', attachments: [{ name: 'one.txt' }, { name: 'two.png', hasThumbnail: true }] })
    t.strictSame([...find(key)!.uploads], [])
    t.match(await ben.ok('GET', `/api/chat/conversations/${id}/messages`), { messages: [{ attachments: [{ name: 'one.txt' }, { name: 'two.png' }] }] })

    const before = onDisk(dir).length
    held = new Promise(resolve => { release = resolve })
    const cancelled = live.send('', { files: [new File(['x'], 'x.txt')] })
    await until(live, () => find(cancelled) !== undefined)
    await new Promise(resolve => setImmediate(resolve))
    live.discard(cancelled)
    t.equal(find(cancelled), undefined, 'an upload can be called off')
    release()
    const after = live.send('after')
    await until(live, () => find(after)?.seq != null)
    t.equal(onDisk(dir).length, before)

    // Uploaded, and expired before it was sent.
    held = undefined
    const late = clientOf('ann')
    const { fileId } = await late.upload(new Blob(['old']))
    await late.deleteFile(fileId)
    await t.rejects(late.sendMessage({ conversationId: id, text: '', attachments: [{ fileId }] }), { code: 'UNKNOWN_FILE' })
  })

  await t.test('in process', async t => {
    await app.chat.ensureUser({ userId: 'bot', displayName: 'Bot', avatar: null, issuedAt: null, expiresAt: null })
    const { conversation } = await app.chat.createConversation('bot', { type: 'direct', userId: 'ann' })
    const file = await app.chat.files.upload('bot', { name: 'report.csv', content: Buffer.from('a;b') })
    await app.chat.sendMessage('bot', { conversationId: conversation.id, text: '', attachments: [{ fileId: file.fileId }] })
    const { name, type, size, content } = await app.chat.files.read('ann', file.fileId)
    t.strictSame([name, type, size, await new Response(content as unknown as ReadableStream).text()], ['report.csv', 'text/csv', 3, 'a;b'])
    await t.rejects(app.chat.files.read('ben', file.fileId), { code: 'NOT_FOUND' })
  })
})
