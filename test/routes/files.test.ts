import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import t from 'tap'
import type { FileUrls } from '../../schemas/files.js'
import { eventually } from '../faults/process.js'
import { picture } from '../files/pictures.js'
import { buildWithFiles, download, multipart, onDisk, post, postParts, uploaded } from '../files/upload.js'
import { baseUrl, listen, shared, throwAwayStore, user, users, type User } from '../helper.js'

let log = ''
const { app, dir } = await buildWithFiles(t, {
  chat: { maxFileBytes: 100_000 },
  log: new Writable({ write (line, _, done) { log += String(line); done() } })
})
await listen(app)
const [ann, ben, eve] = users(app, 'ann', 'ben', 'eve') as [User, User, User]
await eve.arrive()

const path = (id: string): string => `/api/chat/files/${id}`
const urlsOf = async (caller: User, ...fileIds: string[]): Promise<FileUrls['urls']> =>
  (await caller.ok<FileUrls>('POST', '/api/chat/files/urls', { fileIds })).urls

await t.test('an upload is answered with what it is', async t => {
  const { status, body } = await post(ann, 'hello', '../../notes.txt')
  t.equal(status, 201)
  t.match(body, { fileId: String, name: 'notes.txt', type: 'text/plain', size: 5, width: null, height: null, thumbhash: null, hasThumbnail: false })
  const inMs = Date.parse(body.expiresAt) - Date.now()
  t.ok(inMs > 86_300_000 && inMs <= 86_401_000, 'it is kept for a day')
  const image = await uploaded(ann, await picture('jpeg', { width: 400, height: 300, orientation: 6 }), 'holiday.html')
  t.match(image, { name: 'holiday.html', type: 'image/jpeg', width: 300, height: 400, thumbhash: String, hasThumbnail: true })
  for (const { fileId } of [body, image]) await ann.ok('DELETE', path(fileId))
})

await t.test('a body has one part: a file', async t => {
  const before = onDisk(dir)
  const bodies: Array<[string, Parameters<typeof postParts>[1]]> = [
    ['none', []], ['two files', [{}, {}]], ['a file and a field', [{}, { field: 'a', name: null }]], ['a field and a file', [{ field: 'a', name: null }, {}]],
    ['a field', [{ name: null }]], ['another name', [{ field: 'files' }]], ['many', Array.from({ length: 50 }, () => ({}))]
  ]
  for (const [what, parts] of bodies) t.match(await postParts(ann, parts), { status: 400 }, what)
  t.match(await postParts(ann, [{ bytes: 'x'.repeat(1000) }], { end: false }), { status: 400 }, 'its end is missing')
  for (const [what, one] of [['first', /Content-Disposition/], ['second', /Content-Disposition(?![^]*Content-Disposition)/]] as const) {
    const { payload, headers } = multipart([{}, {}])
    const answer = await app.inject({
      method: 'POST', url: '/api/chat/files', payload: String(payload).replace(one, 'X-Other'), headers: { authorization: `Bearer ${ann.token}`, ...headers }
    })
    t.match(answer.json(), { statusCode: 400 }, `the ${what} part has no name`)
  }
  for (const headers of [{ 'content-type': 'application/json' }, { 'content-type': 'text/plain' }, { 'content-type': 'multipart/mixed; boundary=x' }]) {
    const answer = await app.inject({ method: 'POST', url: '/api/chat/files', payload: '{}', headers: { authorization: `Bearer ${ann.token}`, ...headers } })
    t.match(answer.json(), { statusCode: 415, code: 'UNSUPPORTED_MEDIA_TYPE' })
  }
  const noBoundary = await app.inject({ method: 'POST', url: '/api/chat/files', payload: 'x', headers: { authorization: `Bearer ${ann.token}`, 'content-type': 'multipart/form-data' } })
  t.equal(noBoundary.statusCode, 400)
  t.match(await post(ann, ''), { status: 422, body: { code: 'FILE_INVALID' } }, 'an empty file')
  t.match(await post(ann, 'x', ''), { status: 201, body: { name: 'file' } })
  t.equal(onDisk(dir).filter(name => !before.includes(name)).length, 1, 'nothing stays of what was refused')
})

await t.test('a file may have as many bytes as are allowed', async t => {
  const before = onDisk(dir).length
  t.match(await post(ann, Buffer.alloc(100_000, 1)), { status: 201, body: { size: 100_000 } })
  t.match(await post(ann, Buffer.alloc(100_001, 1)), { status: 413, body: { code: 'FILE_TOO_LARGE' } })
  t.match(await post(ann, Buffer.alloc(400_000, 1)), { status: 413, body: { code: 'FILE_TOO_LARGE' } })
  t.equal(onDisk(dir).length, before + 1)
  // What is said to be too large is refused before it is read.
  const socket = connect(Number(new URL(baseUrl(app)).port), '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  socket.write(`POST /api/chat/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann.token}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000000000\r\n\r\n`)
  const [answer] = await once(socket, 'data') as [Buffer]
  t.match(String(answer), /^HTTP\/1\.1 413 [^]*FILE_TOO_LARGE/)
})

await t.test('a cut upload leaves nothing', async t => {
  const before = onDisk(dir).length
  const { payload, headers } = multipart([{ bytes: Buffer.alloc(90_000, 1) }])
  const socket = connect(Number(new URL(baseUrl(app)).port), '127.0.0.1')
  socket.write(`POST /api/chat/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann.token}\r\nContent-Type: ${headers['content-type']}\r\nContent-Length: ${payload.length}\r\n\r\n`)
  socket.write(payload.subarray(0, 80_000))
  await eventually('it is being received', async () => onDisk(dir).length > before)
  socket.destroy()
  await eventually('nothing is left', async () => onDisk(dir).length === before)
  t.equal(onDisk(dir).length, before)
})

await t.test('a free file is its owner\'s', async t => {
  const { fileId } = await uploaded(ann)
  t.equal((await download(ann, app, path(fileId))).payload, 'x')
  for (const other of [ben, eve]) {
    t.equal((await download(other, app, path(fileId))).statusCode, 404)
    t.match(await other.call('DELETE', path(fileId)), { status: 404 })
    t.strictSame(await urlsOf(other, fileId), {})
  }
  t.equal((await download(undefined, app, path(fileId))).statusCode, 401)
  t.equal((await ann.call('DELETE', path(fileId))).status, 204)
  t.match(await ann.call('DELETE', path(fileId)), { status: 404 })
  t.equal((await download(ann, app, path(fileId))).statusCode, 404)
})

await t.test('a message carries files, in answers, events and quotes', async t => {
  const id = await ann.direct(ben)
  const stream = await ben.stream(t, { conversationId: id })
  const files = [await uploaded(ann, 'one', 'one.txt'), await uploaded(ann, await picture('png', { width: 64, height: 48 }), 'two.png')]
  const attachments = files.map(({ expiresAt: _, ...file }) => file)
  const message = await ann.send(id, '', { attachments: files.map(({ fileId }) => ({ fileId })), clientId: 'files' })
  t.match(message, { text: '', attachments })
  t.match((await stream.next('message')).data, shared(message), 'without URLs, and the same for all')
  t.strictSame((await ben.ok<{ messages: object[] }>('GET', `/api/chat/conversations/${id}/messages`)).messages, [message])
  t.match((await ben.conversation(id)).lastMessage, { attachments })
  const reply = await ben.send(id, 'nice', { replyToId: message.id })
  t.match(reply.replyTo, { attachmentCount: 2, text: '' })
  const read = await download(ben, app, path(files[0]!.fileId))
  t.equal(read.payload, 'one', 'who takes part may read it')
  t.equal((await download(eve, app, path(files[0]!.fileId))).statusCode, 404)
  t.match(await ann.call('DELETE', path(files[0]!.fileId)), { status: 409, body: { code: 'FILE_USED' } })
  t.match(await ben.call('DELETE', path(files[0]!.fileId)), { status: 404 })

  const again = { conversationId: id, text: '', clientId: 'files' }
  const named = (...ids: number[]) => ids.map(index => ({ fileId: files[index]!.fileId }))
  t.match(await ann.call('POST', '/api/chat/messages', { ...again, attachments: named(0, 1) }), { status: 200, body: { id: message.id } }, 'the same again')
  for (const other of [named(1, 0), named(0)]) {
    t.match(await ann.call('POST', '/api/chat/messages', { ...again, attachments: other }), { status: 409, body: { code: 'CLIENT_ID_REUSED' } })
  }
  t.match(await ann.call('POST', '/api/chat/messages', { ...again, text: 'x' }), { status: 409, body: { code: 'CLIENT_ID_REUSED' } })

  t.match(await ann.call('PATCH', `/api/chat/messages/${message.id}`, { text: 'now with text' }), { status: 200, body: { attachments } })
  t.match(await ann.call('PATCH', `/api/chat/messages/${message.id}`, { text: '' }), { status: 200, body: { text: '', attachments } })
  t.match(await ben.call('PATCH', `/api/chat/messages/${reply.id}`, { text: '' }), { status: 400, body: { code: 'VALIDATION_FAILED' } })

  await ann.ok('DELETE', `/api/chat/messages/${message.id}`)
  for (const { fileId } of files) {
    for (const reader of [ann, ben]) t.equal((await download(reader, app, path(fileId))).statusCode, 404, 'gone at once')
    t.match(await ann.call('POST', '/api/chat/messages', { conversationId: id, text: 'x', attachments: [{ fileId }] }), { status: 422, body: { code: 'UNKNOWN_FILE' } })
  }
  t.match((await ben.call('GET', `/api/chat/messages/${message.id}`)).body, { attachments: [], text: '' })
  t.match((await ben.call('GET', `/api/chat/messages/${reply.id}`)).body, { replyTo: { attachmentCount: 0 } })
})

await t.test('what can be attached', async t => {
  const id = await ann.direct(ben)
  const send = async (attachments: unknown, text: string | undefined = 'x') => await ann.call('POST', '/api/chat/messages', { conversationId: id, text, attachments })
  const [free, foreign] = [await uploaded(ann), await uploaded(ben)]
  const gone = await uploaded(ann)
  await ann.ok('DELETE', path(gone.fileId))
  for (const fileId of ['nothing', foreign.fileId, gone.fileId]) t.match(await send([{ fileId: free.fileId }, { fileId }]), { status: 422, body: { code: 'UNKNOWN_FILE' } })
  t.match(await send([{ fileId: free.fileId }, { fileId: free.fileId }]), { status: 400 }, 'twice the same')
  t.match(await send(Array.from({ length: 11 }, (_, index) => ({ fileId: String(index) }))), { status: 400 }, 'eleven')
  for (const bad of [{}, 'x', [{}], [{ fileId: 7 }], [{ fileId: '' }], [null]]) t.match(await send(bad), { status: 400 }, JSON.stringify(bad))
  for (const text of ['', undefined]) {
    for (const none of [[], null, undefined]) {
      t.match(await ann.call('POST', '/api/chat/messages', { conversationId: id, text, attachments: none }), { status: 400 }, 'neither text nor files')
    }
  }
  t.match(await eve.call('POST', '/api/chat/messages', { conversationId: id, text: 'x', attachments: [{ fileId: free.fileId }] }), { status: 404 })
  t.match(await ann.call('POST', '/api/chat/messages', { conversationId: id, attachments: [{ fileId: free.fileId }] }), { status: 201, body: { text: '' } })
  t.match(await send([{ fileId: free.fileId }]), { status: 409, body: { code: 'FILE_USED' } })
  const ten = await Promise.all(Array.from({ length: 10 }, async (_, index) => await uploaded(ann, String(index))))
  const { body } = await send(ten.map(({ fileId }) => ({ fileId })))
  t.strictSame((body as { attachments: Array<{ fileId: string }> }).attachments.map(({ fileId }) => fileId), ten.map(({ fileId }) => fileId), 'ten, in order')
})

await t.test('of two messages with one file, one is sent', async t => {
  const [one, two] = [await ann.direct(ben), await ann.group([ben])]
  for (let round = 0; round < 5; round++) {
    const { fileId } = await uploaded(ann)
    const answers = await Promise.all([one, two, one, two].map(async conversationId => await ann.call('POST', '/api/chat/messages', { conversationId, text: 'x', attachments: [{ fileId }] })))
    t.strictSame(answers.map(({ status }) => status).sort(), [201, 409, 409, 409])
    t.strictSame([...new Set(answers.filter(({ status }) => status === 409).map(({ body }) => body.code))], ['FILE_USED'])
  }
})

await t.test('in a blocked conversation, files are not judged', async t => {
  const max = user(app, 'max')
  const id = await max.direct(ben)
  const { fileId } = await uploaded(max)
  const bodies = (id: string) => ({ conversationId: id, text: 'x', clientId: 'blocked', attachments: [{ fileId }] })
  const sent = await max.ok('POST', '/api/chat/messages', bodies(id))
  await ben.ok('PUT', '/api/chat/blocks/max')
  for (const given of ['nothing', fileId]) {
    const body = { ...bodies(id), clientId: 'other', attachments: [{ fileId: given }] }
    t.match(await max.call('POST', '/api/chat/messages', body), { status: 403, body: { code: 'BLOCKED' } }, 'before 409 and 422')
  }
  t.match(await max.call('POST', '/api/chat/messages', bodies(id)), { status: 200, body: sent }, 'behind a repeat')
  t.equal((await download(ben, app, path(fileId))).statusCode, 200, 'what was sent before can be read')
  t.strictSame(Object.keys(await urlsOf(max, fileId)), [fileId])
  await ben.ok('DELETE', '/api/chat/blocks/max')
  t.match(await max.call('POST', '/api/chat/messages', { ...bodies(id), clientId: 'other' }), { status: 409, body: { code: 'FILE_USED' } })
})

await t.test('who has left sees nothing more, but a URL that was given out', async t => {
  const id = await ann.group([ben])
  const { fileId } = await uploaded(ann, await picture('png'), 'x.png')
  const message = await ann.send(id, 'x', { attachments: [{ fileId }] })
  const { url, thumbnailUrl, expiresAt } = (await urlsOf(ben, fileId, 'nothing'))[fileId]!
  const lifeS = (Date.parse(expiresAt) - Date.now()) / 1000
  t.ok(lifeS > 290 && lifeS <= 601, `${lifeS} s`)
  t.match(url, new RegExp(`^/api/chat/files/${fileId}/content\\?e=\\d+&v=file&s=[\\w-]{43}$`))
  t.equal((await urlsOf(ben, fileId))[fileId]!.url, url, 'the same within the grid')
  t.equal((await urlsOf(ann, fileId))[fileId]!.url, url, 'and for everybody')
  await ben.ok('DELETE', `/api/chat/conversations/${id}/participants/ben`)
  t.equal((await download(ben, app, path(fileId))).statusCode, 404)
  t.equal((await download(ben, app, `${path(fileId)}/thumbnail`)).statusCode, 404)
  t.strictSame(await urlsOf(ben, fileId), {})
  for (const given of [url, thumbnailUrl!]) t.equal((await download(undefined, app, given)).statusCode, 200)
  await ann.ok('DELETE', `/api/chat/messages/${message.id}`)
  for (const given of [url, thumbnailUrl!]) t.match((await download(undefined, app, given)).json(), { statusCode: 404, code: 'NOT_FOUND' })
})

await t.test('a URL is valid as it was signed', async t => {
  const { fileId } = await uploaded(ann, 'secret', 'x.txt')
  const other = await uploaded(ann, 'other', 'y.txt')
  const { url } = (await urlsOf(ann, fileId))[fileId]!
  const [base, query] = url.split('?') as [string, string]
  const { e, v, s } = Object.fromEntries(new URLSearchParams(query)) as Record<string, string>
  const with_ = (change: Record<string, string | undefined>): string => {
    const params = Object.entries({ e, v, s, ...change }).flatMap(([name, value]) => value === undefined ? [] : [[name, value] as [string, string]])
    return `${base}?${new URLSearchParams(params).toString()}`
  }
  t.equal((await download(undefined, app, with_({}))).payload, 'secret')
  const changed = [
    url.replace(fileId, other.fileId), with_({ e: String(Number(e) + 300) }), with_({ e: String(Number(e) - 300) }), with_({ e: `0${e}` }), with_({ e: `${e}.0` }), with_({ e: undefined }),
    with_({ v: 'thumbnail' }), with_({ v: 'File' }), with_({ v: '' }), with_({ v: undefined }), with_({ s: `${s}=` }), with_({ s: s!.slice(0, -1) }), with_({ s: '' }),
    with_({ s: undefined }), `${base}`, `${url}&e=${e}`, `${url}&s=${s}`, ...[...s!].map((character, at) => with_({ s: `${s!.slice(0, at)}${character === 'A' ? 'B' : 'A'}${s!.slice(at + 1)}` }))
  ]
  for (const bad of changed) t.match((await download(undefined, app, bad)).json(), { statusCode: 404, code: 'NOT_FOUND' }, bad)
  t.notOk(log.includes(s!), 'no signature is logged')
  t.match(log, `${base}`)
})

await t.test('the headers of an answer', async t => {
  const { fileId } = await uploaded(ann, await picture('png'), 'Fête (1).png')
  const { url } = (await urlsOf(ann, fileId))[fileId]!
  const { headers } = await download(ann, app, path(fileId))
  t.match(headers, {
    'content-type': 'image/png',
    'x-content-type-options': 'nosniff',
    'content-security-policy': 'default-src \'none\'; sandbox',
    'cache-control': 'private, max-age=300',
    'accept-ranges': 'bytes',
    etag: /^"[\w-]{43}"$/,
    'content-disposition': 'inline; filename*=UTF-8\'\'F%C3%AAte%20%281%29.png'
  })
  t.equal(headers['cross-origin-resource-policy'], undefined)
  const signed = (await download(undefined, app, url)).headers
  t.equal(signed['cross-origin-resource-policy'], 'cross-origin')
  t.equal(signed.etag, headers.etag)
  t.match((await download(ann, app, `${path(fileId)}/thumbnail`)).headers, { 'content-type': 'image/webp', 'content-disposition': /^inline/ })
  const polyglots: Record<string, [string, string]> = {
    'x.svg': ['<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', 'application/octet-stream'],
    'x.html': ['<!doctype html><script>alert(1)</script>', 'application/octet-stream'],
    'x.xml': ['<?xml version="1.0"?><x/>', 'application/xml'],
    'x.txt': ['<script>alert(1)</script>', 'text/plain; charset=utf-8'],
    'x.pdf': ['%PDF-1.7\n%%EOF', 'application/pdf']
  }
  for (const [name, [bytes, type]] of Object.entries(polyglots)) {
    const file = await uploaded(ann, bytes, name)
    const { url } = (await urlsOf(ann, file.fileId))[file.fileId]!
    for (const answer of [await download(ann, app, path(file.fileId)), await download(undefined, app, url)]) {
      t.match(answer.headers, { 'content-disposition': `attachment; filename*=UTF-8''${name}`, 'content-type': type, 'x-content-type-options': 'nosniff', 'content-security-policy': /sandbox/ }, name)
    }
  }
})

await t.test('parts of a file, and what has not changed', async t => {
  const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251))
  const { fileId } = await uploaded(ann, bytes)
  const get = async (headers: Record<string, string>) => await download(ann, app, path(fileId), headers)
  const whole = await get({})
  t.ok(whole.rawPayload.equals(bytes))
  t.equal(whole.headers['content-length'], '1000')
  for (const [range, start, end] of [['bytes=0-0', 0, 0], ['bytes=10-19', 10, 19], ['bytes=990-', 990, 999], ['bytes=-5', 995, 999], ['bytes=-5000', 0, 999], ['bytes=500-99999', 500, 999]] as const) {
    const part = await get({ range })
    t.equal(part.statusCode, 206, range)
    t.match(part.headers, { 'content-range': `bytes ${start}-${end}/1000`, 'content-length': String(end - start + 1) })
    t.ok(part.rawPayload.equals(bytes.subarray(start, end + 1)), range)
  }
  for (const range of ['bytes=1000-', 'bytes=5000-6000', 'bytes=-0']) {
    const part = await get({ range })
    t.match(part.json(), { statusCode: 416, code: 'RANGE_NOT_SATISFIABLE' }, range)
    t.equal(part.headers['content-range'], 'bytes */1000')
  }
  for (const range of ['bytes=5-1', 'bytes=', 'bytes=-', 'lines=1-2', 'bytes=0-1,4-5', 'bytes=a-b', '']) t.equal((await get({ range })).statusCode, 200, range)
  const etag = String(whole.headers.etag)
  for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const same = await get({ 'if-none-match': tag })
    t.equal(same.statusCode, 304, tag)
    t.equal(same.payload, '')
    t.equal(same.headers.etag, etag)
  }
  t.equal((await get({ 'if-none-match': '"x"' })).statusCode, 200)
  t.equal((await get({ range: 'bytes=0-1', 'if-range': etag })).statusCode, 206)
  t.equal((await get({ range: 'bytes=0-1', 'if-range': '"x"' })).statusCode, 200)
  for (const range of ['', 'bytes=0-1', 'bytes=5000-']) {
    const head = await app.inject({ method: 'HEAD', url: path(fileId), headers: { authorization: `Bearer ${ann.token}`, range } })
    t.equal(head.statusCode, 200, `HEAD has no ranges: ${range}`)
    t.match(head.headers, { 'content-length': '1000', etag })
    t.equal(head.headers['content-range'], undefined)
    t.equal(head.payload, '')
  }
})

await t.test('a hundred free files', async t => {
  const many = user(app, 'many')
  const id = await many.direct(ben)
  const first = await uploaded(many)
  await Promise.all(Array.from({ length: 99 }, async () => await uploaded(many)))
  const { status, body, headers } = await post(many, 'x')
  t.match([status, body], [429, { code: 'TOO_MANY_FILES' }])
  t.ok(Number(headers['retry-after']) > 86_300 && Number(headers['retry-after']) <= 86_400, 'when the oldest expires')
  await many.send(id, 'x', { attachments: [{ fileId: first.fileId }] })
  const both = await Promise.all([post(many, 'x'), post(many, 'x')])
  t.strictSame(both.map(({ status }) => status).sort(), [201, 429], 'uploads that are under way count')
})

await t.test('of two nodes, one stores the hundredth', async t => {
  const store = await throwAwayStore()
  t.teardown(store.remove)
  const { app, dir } = await buildWithFiles(t, { chat: store.options })
  const { app: other } = await buildWithFiles(t, { chat: { ...store.options, files: { dir } } })
  const { fileId } = await uploaded(user(app, 'many'))
  await app.chatDatabase.transaction(async sql => {
    for (let copy = 0; copy < 98; copy++) {
      await sql.execute(`INSERT INTO chat_files (id, owner_id, state, name, type, size, sha256, storage_key, created_at, expires_at)
        SELECT id || '-${copy}', owner_id, state, name, type, size, sha256, storage_key || '-${copy}', created_at, expires_at FROM chat_files WHERE id = ?`, fileId)
    }
  })
  let begun = 0
  let release = (): void => {}
  const both = new Promise<void>(resolve => { release = resolve })
  const answers = await Promise.allSettled([app, other].map(async ({ chat }) => await chat.files.upload('many', async () => {
    if (++begun === 2) release()
    await both
    return { name: 'x', content: Buffer.from('x') }
  })))
  t.strictSame(answers.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  t.match(answers.find(({ status }) => status === 'rejected'), { reason: { code: 'TOO_MANY_FILES', retryAfter: Number } })
  t.equal(onDisk(dir).length, 2, 'nothing stays of the other')
})

await t.test('a folder that is gone, and a server that stops', async t => {
  const { app, dir } = await buildWithFiles(t)
  const ann = user(app, 'ann')
  const uploading = app.chat.files.upload('ann', { name: 'x', content: (async function * () { yield Buffer.from('x'); await new Promise(() => {}) })() })
  const refused = t.rejects(uploading, { code: 'UNAVAILABLE' })
  await eventually('it is being received', async () => onDisk(dir).length === 1)
  rmSync(join(dir, 'tmp'), { recursive: true })
  const { status, body, headers } = await post(ann, 'x')
  t.match([status, body], [503, { code: 'UNAVAILABLE' }])
  t.ok(Number(headers['retry-after']) > 0)
  mkdirSync(join(dir, 'tmp'))
  t.equal((await post(ann, 'x')).status, 201)
  const before = onDisk(dir)
  await app.close()
  await refused
  t.strictSame(onDisk(dir), before, 'nothing stays of an upload that was under way')
  await t.rejects(app.chat.files.upload('ann', { name: 'x', content: Buffer.from('x') }), { code: 'UNAVAILABLE' })
})

await t.test('without files', async t => {
  const { app, dir } = await buildWithFiles(t, { chat: { files: false } })
  const [ann, ben] = users(app, 'ann', 'ben') as [User, User]
  const id = await ann.direct(ben)
  const calls = [['GET', '/x'], ['GET', '/x/thumbnail'], ['DELETE', '/x'], ['POST', '/urls'], ['GET', '/x/content?e=1&v=file&s=x'], ['GET', '/x/content']] as const
  for (const [method, path] of calls) {
    const url = `/api/chat/files${path}`
    t.match(await ann.call(method, url), { status: 404, body: { code: 'FEATURE_OFF' } }, `${method} ${url}`)
  }
  t.match(await post(ann, 'x'), { status: 404, body: { code: 'FEATURE_OFF' } })
  t.equal((await app.inject('/api/chat/files/x')).statusCode, 401)
  const attachments = [{ fileId: 'x' }]
  t.match(await ann.call('POST', '/api/chat/messages', { conversationId: id, text: 'x', attachments }), { status: 422, body: { code: 'UNKNOWN_FILE' } })
  t.equal((await ann.send(id, 'x', { attachments: [] })).attachments.length, 0)
  t.strictSame(onDisk(dir), [])
  await t.rejects(async () => await app.chat.files.read('ann', 'x'), { code: 'FEATURE_OFF' })
})

await t.test('only types that are allowed', async t => {
  const { app, dir } = await buildWithFiles(t, { chat: { fileTypes: ['image/*', 'application/pdf'] } })
  const ann = user(app, 'ann')
  t.equal((await post(ann, await picture('png'))).status, 201)
  t.equal((await post(ann, '%PDF-1.7\n')).status, 201)
  const before = onDisk(dir)
  for (const [bytes, name] of [['text', 'x.txt'], ['<svg/>', 'x.png'], ['PK\x03\x04', 'x.zip'], ['MZ', 'x.exe']] as const) {
    t.match(await post(ann, bytes, name), { status: 415, body: { code: 'FILE_TYPE_NOT_ALLOWED' } }, name)
  }
  t.strictSame(onDisk(dir), before)
})
