import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

const client = fileURLToPath(new URL('../../client', import.meta.url))
const files = readdirSync(client, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).map((file) => file.replaceAll('\\', '/'))

/** The imports of a file. An import of a file is relative to client/. */
function importsOf (file: string): { statement: string, from: string }[] {
  const source = readFileSync(join(client, file), 'utf8')
  return Array.from(source.matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'/gms), ([statement, from = '']) => ({
    statement,
    from: from.startsWith('.') ? relative(client, join(client, dirname(file), from)).replaceAll('\\', '/').replace(/\.js$/, '.ts') : from
  }))
}

test('the client needs React for the hooks, the wire\'s types, and nothing else', async (t) => {
  for (const file of files) {
    for (const { statement, from } of importsOf(file)) {
      const allowed = files.includes(from) || (file.startsWith('react') && from === 'react') ||
        ((from.startsWith('../schemas/') || from === '../web/chat.ts') && /^(import|export) type /.test(statement))
      t.ok(allowed, `${file}: ${statement.replace(/\s+/g, ' ')}`)
    }
    // The elements are loaded in browsers only.
    if (file !== 'react-elements.ts') t.notMatch(readFileSync(join(client, file), 'utf8'), /\bimport\(|\brequire\(/, file)
  }
})

test('no file imports itself by way of others, not even for types', async (t) => {
  const open = new Set<string>()
  const done = new Set<string>()
  const visit = (file: string): void => {
    if (done.has(file)) return
    if (open.has(file)) { t.fail([...open, file].join(' → ')); return }
    open.add(file)
    for (const { from } of importsOf(file)) if (files.includes(from)) visit(from)
    open.delete(file)
    done.add(file)
  }
  for (const file of files) visit(file)
  t.equal(done.size, files.length)
})

test('rooms import one way: base ← options ← stream ← tabs ← live, and no file is longer than 400 lines', async (t) => {
  const order = ['base', 'stream', 'tabs', 'live']
  const roomOf = (file: string) => order.indexOf(file.split('/')[0] ?? '')
  for (const file of files) {
    for (const { from } of importsOf(file)) {
      if (files.includes(from) && roomOf(file) >= 0) t.ok(roomOf(from) <= roomOf(file), `${file} → ${from}`)
    }
    t.ok(readFileSync(join(client, file), 'utf8').split('\n').length <= 400, file)
  }
})

test('the client stays small', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(new URL('../../scripts/size.js', import.meta.url))])
  t.match(stdout, /subscribeToSSE alone +\d\.\d\d KB/)
})
