// Builds dist/, which stands on its own: the compiled server and client, the migrations and the page.
// Arguments are passed on to tsc (`--noCheck` is what the install uses: types are checked by `npm run typecheck`).

import { execFileSync } from 'node:child_process'
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { compile } from './compile.js'
import { buildPage, reportWeights } from './page.js'
import { root } from './prisma.js'

const dist = join(root, 'dist')
// Beside its place, so that a build that fails leaves the last one working.
const building = join(root, 'dist.building')

try {
  rmSync(building, { recursive: true, force: true })
  execFileSync(process.execPath, [join(root, 'scripts', 'generate.js')], { cwd: root, stdio: 'inherit' })
  compile(building, ...process.argv.slice(2))
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
