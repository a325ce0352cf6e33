import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { FileStorage } from '../../files/storage.js'

/** What every storage does. `make` gives an empty one. */
export async function storageSuite (t: Test, make: (t: Test) => Promise<FileStorage>): Promise<void> {
  const key = (): string => randomBytes(16).toString('hex')

  async function put (storage: FileStorage, name: string, bytes: Buffer): Promise<void> {
    const path = join(storage.scratch, key())
    await writeFile(path, bytes)
    await storage.put(name, path)
  }

  async function keysOf (storage: FileStorage): Promise<string[]> {
    const keys = []
    for await (const page of storage.keys()) keys.push(...page)
    return keys.sort()
  }

  await t.test('a file is read as it was stored, whole and in part', async t => {
    const storage = await make(t)
    const bytes = randomBytes(300_000)
    const name = key()
    await put(storage, name, bytes)
    t.equal((await storage.open(name))!.size, bytes.length)
    t.ok((await (await storage.open(name))!.bytes()).equals(bytes))
    for (const [start, end] of [[0, bytes.length - 1], [0, 0], [299_999, 299_999], [65_535, 131_073]] as const) {
      t.ok((await buffer((await storage.open(name))!.stream(start, end))).equals(bytes.subarray(start, end + 1)), `${start}–${end}`)
    }
    await (await storage.open(name))!.close()
    t.strictSame(await keysOf(storage), [name], 'nothing stays in the scratch folder')
  })

  await t.test('a file that is put again replaces the first', async t => {
    const storage = await make(t)
    const name = key()
    await put(storage, name, Buffer.from('first'))
    await put(storage, name, Buffer.from('second'))
    t.equal(String(await (await storage.open(name))!.bytes()), 'second')
  })

  await t.test('what is deleted is gone, for all but those who read it', async t => {
    const storage = await make(t)
    const name = key()
    const bytes = randomBytes(300_000)
    await put(storage, name, bytes)
    const opened = (await storage.open(name))!
    await storage.delete(name)
    t.ok((await buffer(opened.stream(0, bytes.length - 1))).equals(bytes), 'it is read to its end')
    t.equal(await storage.open(name), undefined)
    t.equal(await storage.age(name), undefined)
    await storage.delete(name)
    t.strictSame(await keysOf(storage), [], 'deleting again is no error')
  })

  await t.test('all keys are listed, and the age of each is known', async t => {
    const storage = await make(t)
    const names = Array.from({ length: 30 }, key)
    await Promise.all(names.map(async name => { await put(storage, name, Buffer.from(name)) }))
    await put(storage, `${names[0]!}-t`, Buffer.from('thumbnail'))
    t.strictSame(await keysOf(storage), [...names, `${names[0]!}-t`].sort())
    const age = await storage.age(names[0]!)
    t.ok(age !== undefined && age >= 0 && age < 60_000, `${age} ms`)
  })

  await t.test('what a crash left in the scratch folder is listed, and can be deleted', async t => {
    const storage = await make(t)
    await writeFile(join(storage.scratch, key()), 'half of it')
    const [left] = await keysOf(storage)
    t.type(left, 'string')
    t.type(await storage.age(left!), 'number')
    await storage.delete(left!)
    t.strictSame(await keysOf(storage), [])
  })

  await t.test('no key leaves the storage', async t => {
    const storage = await make(t)
    for (const bad of ['../x', 'a/b', '', 'A', `${key()}/../x`, '..', 'tmp/../../x']) await t.rejects(storage.open(bad), bad)
  })
}
