// Builds dist/, which stands on its own: the compiled server and client, the migrations and the page.
// Arguments are passed on to tsc (`--noCheck` is what the install uses: types are checked by `npm run typecheck`).

import { execFileSync } from 'node:child_process'
import { cpSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { buildPage, reportWeights } from './page.js'
import { providers, root } from './prisma.js'

/** @param {string[]} args */
function run (...args) {
  execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
}

const dist = join(root, 'dist')
// Beside its place, so that a build that fails leaves the last one working.
const building = join(root, 'dist.building')

try {
  rmSync(building, { recursive: true, force: true })
  run(join(root, 'scripts', 'generate.js'))
  run(createRequire(import.meta.url).resolve('typescript/bin/tsc'),
    '-p', 'tsconfig.build.json', '--outDir', building, ...process.argv.slice(2))

  for (const provider of providers) {
    const migrations = join('prisma', provider, 'migrations')
    cpSync(join(root, migrations), join(building, migrations), { recursive: true })
  }
  const weights = await buildPage(join(building, 'web'))

  rmSync(dist, { recursive: true, force: true })
  renameSync(building, dist)
  reportWeights(weights)
} catch (error) {
  rmSync(building, { recursive: true, force: true })
  // What ran has said already what is wrong.
  if (!(error instanceof Error && 'status' in error)) throw error
  console.error('The build failed')
  process.exitCode = 1
}
