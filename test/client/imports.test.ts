import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

const client = new URL('../../client/', import.meta.url)

test('the client needs its parser, React for the hooks, the wire\'s types, and nothing else', async (t) => {
  for (const file of readdirSync(client)) {
    const source = readFileSync(new URL(file, client), 'utf8')
    for (const [statement, from] of source.matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'/gms)) {
      const allowed = from?.startsWith('./') || from === 'eventsource-parser' || (file === 'react.ts' && from === 'react') ||
        (from?.startsWith('../schemas/') && /^(import|export) type /.test(statement))
      t.ok(allowed, `${file}: ${statement.replace(/\s+/g, ' ')}`)
    }
    t.notMatch(source, /\bimport\(|\brequire\(/, file)
  }
})

test('the client stays small', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(new URL('../../scripts/size.js', import.meta.url))])
  t.match(stdout, /subscribeToSSE alone +\d\.\d\d KB/)
})
