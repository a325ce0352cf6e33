import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

const root = fileURLToPath(new URL('../', import.meta.url))
/** The rooms that a request passes through, each with those that it may import. Their order is the way of imports. */
const rooms: Record<string, string[]> = {
  schemas: [],
  hub: ['schemas'],
  store: ['schemas', 'hub'],
  files: [],
  chat: ['schemas', 'hub', 'store', 'files'],
  plugins: ['schemas', 'hub', 'store', 'files', 'chat'],
  routes: ['schemas', 'hub', 'store', 'files', 'chat', 'plugins'],
  client: ['schemas'],
  commands: ['schemas', 'store', 'plugins']
}
const LINES_MAX = 400

const sources = readdirSync(root, { withFileTypes: true })
  .flatMap(entry => entry.isFile() && entry.name.endsWith('.ts')
    ? [entry.name]
    : entry.name in rooms
      ? readdirSync(join(root, entry.name), { recursive: true, encoding: 'utf8' }).map(name => join(entry.name, name))
      : [])
  .filter(name => /\.tsx?$/.test(name))

/** The files that a file imports, by `import`, `export … from` and `import()`, types included. */
function importsOf (file: string): string[] {
  return ts.preProcessFile(readFileSync(join(root, file), 'utf8')).importedFiles
    .map(({ fileName }) => fileName)
    .filter(name => name.startsWith('.'))
    .map(name => normalize(join(dirname(file), name)).replace(/\.js$/, '.ts'))
    .map(name => sources.includes(name) ? name : `${name}x`)
    .filter(name => sources.includes(name))
}

const graph = new Map(sources.map(file => [file, importsOf(file)]))

/** Files that import each other in a circle; the first that is found. */
function circle (): string[] {
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return []
    path.push(file)
    for (const imported of graph.get(file) ?? []) {
      const found = visit(imported)
      if (found.length > 0) return found
    }
    path.pop()
    done.add(file)
    return []
  }
  return sources.map(visit).find(found => found.length > 0) ?? []
}

t.test('no file imports itself, by whatever way', async t => {
  t.ok(sources.length > 100, `${sources.length} files`)
  t.ok(graph.get('app.ts')?.includes('plugins/chat.ts'), 'imports are found')
  t.strictSame(circle(), [])
})

t.test('imports run one way', async t => {
  for (const [file, imported] of graph) {
    const [room = ''] = file.split('/')
    const allowed = rooms[room]
    if (allowed === undefined) continue
    const others = imported.map(name => name.split('/')).flatMap(([other = '', ...rest]) => rest.length === 0 || other === room ? [] : [other])
    t.strictSame(others.filter(other => !allowed.includes(other)), [], file)
  }
})

t.test('the parts of a page import nothing of the page', async t => {
  const parts = readdirSync(join(root, 'web/ui'), { recursive: true, encoding: 'utf8' }).filter(name => /\.tsx?$/.test(name))
  t.ok(parts.length > 20)
  for (const name of parts) {
    const imported = ts.preProcessFile(readFileSync(join(root, 'web/ui', name), 'utf8')).importedFiles
      .map(({ fileName }) => fileName)
      .filter(target => target.startsWith('.'))
      .map(target => normalize(join('web/ui', dirname(name), target)))
    t.strictSame(imported.filter(target => !/^(web\/ui\/|client\/index\.js$)/.test(target)), [], name)
  }
})

t.test('files are small', async t => {
  for (const file of sources) {
    const lines = readFileSync(join(root, file), 'utf8').split('\n').length
    t.ok(lines <= LINES_MAX + 1, `${file}: ${lines}`)
  }
})
