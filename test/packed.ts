import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { compile } from '../scripts/compile.js'
import { isBuilt } from './programs.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../', import.meta.url))

/**
 * A folder in which the package is installed as from the registry: the files that `npm pack` puts into its tarball,
 * built from the current sources, with its dependencies beside it. Nothing else of this repository can be imported
 * there.
 */
export async function installPacked (t: Test): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'chat-packed-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const source = join(folder, 'source')
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[], dependencies: object, optionalDependencies: object }

  // Without the page, if it has to be built: it cannot be imported.
  if (isBuilt()) cpSync(join(root, 'dist'), join(source, 'dist'), { recursive: true })
  else compile(join(source, 'dist'), '--noCheck')
  for (const name of ['package.json', 'prisma', 'README.md', 'LICENSE', 'CHANGELOG.md']) cpSync(join(root, name), join(source, name), { recursive: true })
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: source })
  await run('tar', ['-xzf', join(folder, stdout.trim())], { cwd: folder })

  const modules = join(folder, 'node_modules')
  const link = (name: string, target: string): void => {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(target, join(modules, name))
  }
  mkdirSync(modules)
  cpSync(join(folder, 'package'), join(modules, 'fastify-sse-chat'), { recursive: true })
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) link(name, join(root, 'node_modules', name))
  // Packages that belong to a host.
  for (const name of ['react', '@types/react', '@types/node']) link(name, join(root, 'node_modules', name))
  return folder
}
