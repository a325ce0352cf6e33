import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { build } from './helper.js'
import { programOf } from './programs.js'

const root = new URL('../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

/** The indented lines of a section of a Markdown file. */
function codeOf (markdown: string, heading: string): string {
  const section = markdown.split(/^## /m).find(part => part.startsWith(`${heading}\n`))
  if (section === undefined) throw new Error(`there is no section "${heading}"`)
  return section.split('\n').filter(line => line.startsWith('    ')).map(line => line.slice(4)).join('\n')
}

const has = (command: string): boolean => spawnSync(command, ['--version']).status === 0

await t.test('the tour with curl, of the README and of /api/llms.txt', { skip: has('curl') && has('bash') ? false : 'there is no curl or no bash' }, async t => {
  const app = await build(t, { chat: { accounts: true } })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const folder = mkdtempSync(join(tmpdir(), 'chat-tour-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })

  // Written from the README.
  const tour = codeOf(await (await fetch(`http://127.0.0.1:${port}/api/llms.txt`)).text(), 'A tour with curl')
    // The output of the background curl goes to a file. The next step waits until the stream is connected.
    .replace(/ &$/m, ' > stream & until grep -q connected stream; do sleep 0.05; done')
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', `${tour}
    until grep -q statusUpdate stream && grep -q reaction stream; do sleep 0.05; done; kill %1; echo; cat stream`], { cwd: folder })

  const events = [...stdout.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name)
  t.strictSame(events, ['connected', 'typing', 'typing', 'message', 'statusUpdate', 'reaction'])
  t.match(stdout, '"text":"Hello!"')
  t.match(stdout, '{"conversationId":"conv_alice_bob","seq":1,"changed":true}')
  t.match(stdout, '"emoji":"👍","reacted":true,"changed":true,"reactions":[{"emoji":"👍","count":1}],"myReactions":["👍"]')
  t.match(stdout, '"metadata":{"order":4711}')
  t.equal([...stdout.matchAll(/"messages":\[\{[^}]*"text":"Hi @alice"/g)].length, 2, 'the lists of mentions and of replies have it')
})

await t.test('.env.example names every variable that config.ts reads, and no other', async t => {
  const names = (text: string, pattern: RegExp): string[] => [...new Set([...text.matchAll(pattern)].map(([, name]) => name!))].sort()
  const config = names(read('config.ts'), /(?:text|flag|integer|days|choice)\(env, '([A-Z_]+)'/g)
  const example = names(read('.env.example'), /^([A-Z_]+)=/gm)
  t.strictSame(example, config.concat(/env\.CORS_ORIGIN/.test(read('config.ts')) ? ['CORS_ORIGIN'] : []).sort())
})

await t.test('docs/reference.md and the README\'s table of events follow the catalogues', async t => {
  t.doesNotThrow(() => execFileSync(process.execPath, [...programOf('scripts/docs.ts'), '--check'], { cwd: root, stdio: 'pipe' }))
})

const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...readdirSync(new URL('docs', root), { recursive: true })
  .map(name => `docs/${String(name)}`).filter(name => name.endsWith('.md') && !name.includes('node_modules'))]

/** The anchors of a document's headings, as GitHub names them. */
const anchorsOf = (markdown: string): string[] => [...markdown.matchAll(/^#{1,6} (.*)$/gm)].map(([, heading]) =>
  heading!.replaceAll(/\[([^[\]]*)\]\([^()]*\)/g, '$1').toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-'))

await t.test('links between the documents lead somewhere, sections included', async t => {
  for (const file of documents) {
    for (const [, target] of read(file).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const { href, hash } = new URL(target!, new URL(file, root))
      const path = href.slice(root.href.length).replace(hash, '')
      t.ok(existsSync(new URL(path, root)), `${file} → ${target}`)
      if (hash !== '') t.ok(anchorsOf(read(path)).includes(decodeURIComponent(hash.slice(1))), `${file} → ${target}`)
    }
  }
})

await t.test('the index names every document', async t => {
  const linked = [...read('docs/README.md').matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, name]) => name)
  t.strictSame(readdirSync(new URL('docs', root)).filter(name => name.endsWith('.md') && name !== 'README.md').filter(name => !linked.includes(name)), [])
})

await t.test('every file that a document names exists', async t => {
  const name = /`((?:bench|chat|client|deploy|docs|examples|files|hub|plugins|prisma|routes|schemas|scripts|store|test|web)\/[\w./-]+)`/g
  const rootFile = /`([\w-]+\.(?:ts|js))`/g
  for (const file of documents) {
    for (const [, path] of read(file).matchAll(name)) if (!path!.includes('node_modules')) t.ok(existsSync(new URL(path!, root)), `${file}: ${path}`)
  }
  // A name without a folder is one of the repository's root, or of the folder that its row of a table is about.
  const folders = ['.', ...['schemas', 'hub', 'store', 'chat', 'client'].flatMap(folder => [folder, ...readdirSync(new URL(folder, root)).map(entry => `${folder}/${entry}`)])]
  for (const file of ['CONTRIBUTING.md', 'docs/architecture.md']) {
    for (const [, path] of read(file).matchAll(rootFile)) {
      t.ok(folders.some(folder => existsSync(new URL(`${folder}/${path}`, root))), `${file}: ${path}`)
    }
  }
})

await t.test('docs/architecture.md names every file of hub/ and store/', async t => {
  const architecture = read('docs/architecture.md')
  for (const folder of ['hub', 'store']) {
    const section = architecture.split(/^### /m).find(part => part.startsWith(`Inside \`${folder}/\``)) ?? ''
    for (const entry of readdirSync(new URL(folder, root), { withFileTypes: true })) {
      t.match(section, `\`${entry.name}${entry.isDirectory() ? '/' : ''}\``, `${folder}/${entry.name}`)
    }
  }
})
