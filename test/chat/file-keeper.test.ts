import { rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FileKeeper } from '../../chat/file-keeper.js'
import { LocalStorage } from '../../files/local-storage.js'
import type { Writer } from '../../store/writer.js'
import { eventually } from '../faults/process.js'
import { picture } from '../files/pictures.js'
import { buildWithFiles, download, onDisk, uploaded } from '../files/upload.js'
import { travel, users, type User } from '../helper.js'

// What has become of files later: their bytes go, and then their rows.

// Within a test, so that other suites of the same process keep their clocks.
await t.test('what becomes of files later', async t => {
  const time = travel(t)
  const { app, dir } = await buildWithFiles(t)
  const [ann, ben] = users(app, 'ann', 'ben') as [User, User]

  const rows = async (): Promise<Array<{ id: string, state: string }>> => await app.chatDatabase.read.query('SELECT id, state FROM chat_files')
  const run = async (sql: string): Promise<void> => { await app.chatDatabase.transaction(async connection => { await connection.execute(sql) }) }

  /** Bytes are gone within a minute. */
  async function isClean (t: Test, files: number): Promise<void> {
    await time.advance(20_000)
    await eventually('the bytes are gone', async () => onDisk(dir).length === files)
    // Rows go after their bytes.
    await eventually('files on the disk are those of rows', async () => (await rows()).length === files)
    t.equal(onDisk(dir).length, files)
  }

  await t.test('a deleted message takes its files along, and a deleted group, too', async t => {
    const id = await ann.group([ben])
    const [one, two] = [await uploaded(ann, 'one'), await uploaded(ann, await picture('png'))]
    const message = await ann.send(id, '', { attachments: [{ fileId: one.fileId }] })
    await ann.send(id, 'x', { attachments: [{ fileId: two.fileId }] })
    t.equal(onDisk(dir).length, 3, 'two files and a thumbnail')
    await ann.ok('DELETE', `/api/chat/messages/${message.id}`)
    await time.advance(20_000)
    await eventually('its bytes are gone, and its row', async () => onDisk(dir).length === 2 && (await rows()).length === 1)
    t.strictSame((await rows()).map(({ id, state }) => [id, state]), [[two.fileId, 'attached']])
    await ann.ok('DELETE', `/api/chat/conversations/${id}`)
    t.equal((await download(ann, app, `/api/chat/files/${two.fileId}`)).statusCode, 404)
    await isClean(t, 0)
  })

  await t.test('a file is kept as long as one message has it', async t => {
    const [one, two] = [await ann.group([ben]), await ann.group([ben])]
    const { fileId } = await uploaded(ann, 'shared')
    const message = await ann.send(one, 'x', { attachments: [{ fileId }] })
    // As a forward will link it.
    const other = await ann.send(two, 'y')
    await run(`INSERT INTO chat_attachments (conversation, message_seq, position, file_id)
      SELECT num, ${other.seq}, 0, '${fileId}' FROM chat_conversations WHERE id = '${two}'`)
    await ann.ok('DELETE', `/api/chat/messages/${message.id}`)
    await time.advance(20_000)
    t.equal((await download(ben, app, `/api/chat/files/${fileId}`)).payload, 'shared')
    await ann.ok('DELETE', `/api/chat/conversations/${one}`)
    t.equal((await download(ben, app, `/api/chat/files/${fileId}`)).payload, 'shared')
    await ann.ok('DELETE', `/api/chat/conversations/${two}`)
    await isClean(t, 0)
  })

  await t.test('a free file that has expired is unknown at once, and its bytes go', async t => {
    const id = await ann.direct(ben)
    const { fileId } = await uploaded(ann)
    await run('UPDATE chat_files SET expires_at = 1')
    t.equal((await download(ann, app, `/api/chat/files/${fileId}`)).statusCode, 404)
    t.match(await ann.call('DELETE', `/api/chat/files/${fileId}`), { status: 404 })
    const late = { conversationId: id, text: 'x', attachments: [{ fileId }] }
    t.match(await ann.call('POST', '/api/chat/messages', late), { status: 422, body: { code: 'UNKNOWN_FILE' } })
    await isClean(t, 0)
  })

  await t.test('a crash between the bytes and the row', async t => {
    const { fileId } = await uploaded(ann)
    for (const name of onDisk(dir)) rmSync(join(dir, name.slice(0, 2), name))
    t.equal((await download(ann, app, `/api/chat/files/${fileId}`)).statusCode, 404, 'no bytes')
    await ann.ok('DELETE', `/api/chat/files/${fileId}`)
    await isClean(t, 0)
  })

  await t.test('bytes without a row go when they are an hour old', async t => {
    const { fileId } = await uploaded(ann, 'kept')
    const [kept] = onDisk(dir) as [string]
    const plant = (path: string, ageMs: number): void => {
      writeFileSync(join(dir, path), 'orphan')
      const at = new Date(Date.now() - ageMs)
      utimesSync(join(dir, path), at, at)
    }
    const folder = kept.slice(0, 2)
    for (const [index, place] of [folder, folder, 'tmp'].entries()) plant(join(place, `${place}${index}old`), 7_200_000)
    plant(join(folder, `${folder}young`), 3_000_000)
    plant(join('tmp', 'young'), 1000)
    utimesSync(join(dir, folder, kept), new Date(0), new Date(0))
    t.equal(onDisk(dir).length, 6)
    // As a node that has just started does.
    const keeper = new FileKeeper(app.chatDatabase, {} as Writer, await LocalStorage.open(dir), error => { throw error })
    await keeper.sweep()
    t.equal(onDisk(dir).length, 6, 'not at first sight: a clock may have stepped')
    await time.advance(64_000)
    await keeper.sweep()
    t.strictSame(onDisk(dir), [kept, `${folder}young`, 'young'].sort())
    t.equal((await download(ann, app, `/api/chat/files/${fileId}`)).payload, 'kept')
  })
})
