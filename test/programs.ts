import { readdirSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the compiled files: scripts/test.js names it. Without it, tsx compiles each file when it is loaded. */
const compiled = process.env['TEST_COMPILED']
const root = new URL('../', import.meta.url).href

/** Where a file of the repository is loaded from. */
const loadedFrom = (path: string): URL => compiled === undefined ? new URL(path, root) : new URL(path.replace(/\.tsx?$/, '.js'), compiled)

/** Where a test is loaded from into the process of another one, so that both share what they load. */
export const testLoadedFrom = (path: string): URL => compiled === undefined ? loadedFrom(path) : loadedFrom(`bundle/${path}`)

/**
 * The arguments of `node` that run the server, if it has been compiled. Most servers of tests live for seconds: to compile
 * Prisma's WebAssembly a second time, with optimizations, takes longer than it saves.
 */
export const compiledServer = compiled === undefined ? undefined : ['--liftoff-only', fileURLToPath(new URL('bundle/server.js', compiled))]

/** The arguments of `node` that run a TypeScript file of the repository, named by its path from the root. */
export function programOf (path: string): string[] {
  const script = fileURLToPath(loadedFrom(path))
  return compiled === undefined ? [`--import=${import.meta.resolve('tsx')}`, script] : [script]
}

/** Whether dist/ is newer than everything that it is built from, apart from the page. */
export function isBuilt (): boolean {
  const builtAt = statSync(new URL('dist/server.js', root), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const newest = ['.', 'chat', 'client', 'commands', 'hub', 'plugins', 'prisma', 'routes', 'schemas', 'store'].flatMap(folder => {
    const names = readdirSync(new URL(`${folder}/`, root), { recursive: folder !== '.', encoding: 'utf8' })
    return names.filter(name => ['.ts', '.sql'].includes(extname(name))).map(name => statSync(new URL(join(folder, name), root)).mtimeMs)
  })
  return Math.max(...newest) <= builtAt
}
