import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LocalStorage } from '../../files/local-storage.js'
import { storageSuite } from './storage-suite.js'

function folder (t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'chat-files-'))
  t.teardown(() => { rmSync(path, { recursive: true, force: true }) })
  return path
}

await t.test('it is a storage', async t => {
  await storageSuite(t, async t => await LocalStorage.open(join(folder(t), 'made', 'by itself')))
})

await t.test('other files in its folder are left alone', async t => {
  const path = folder(t)
  const storage = await LocalStorage.open(path)
  writeFileSync(join(path, 'README'), 'of the operator')
  const keys = []
  for await (const page of storage.keys()) keys.push(...page)
  t.strictSame(keys, [])
})

await t.test('a folder that cannot be written is reported at once', async t => {
  const path = folder(t)
  writeFileSync(join(path, 'file'), '')
  await t.rejects(LocalStorage.open(join(path, 'file', 'below')), { name: 'StorageError', message: /^a folder that this server can write to \(E[A-Z]+\)$/ })
  if (process.getuid?.() === 0) return
  chmodSync(path, 0o500)
  await t.rejects(LocalStorage.open(join(path, 'x')), { message: /EACCES/ })
})
