// `npm run check-package`: packs what would be published, and has publint and arethetypeswrong look at it. They are fetched when they are
// needed. Build first.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './prisma.js'

const folder = mkdtempSync(join(tmpdir(), 'chat-packed-'))

/** @param {string} command @param {string[]} args */
const run = (command, ...args) => { execFileSync(command, args, { cwd: root, stdio: 'inherit' }) }

try {
  const output = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: root, encoding: 'utf8' })
  const [{ filename, unpackedSize, entryCount }] = JSON.parse(output)
  console.log(`${filename}: ${entryCount} files, ${(unpackedSize / 1e6).toFixed(2)} MB unpacked`)
  const tarball = join(folder, filename)
  run('npx', '-y', 'publint@0.3.25', 'run', tarball, '--strict')
  // Node.js loads ES modules by `require`, too, in each version that this package supports
  run('npx', '-y', '@arethetypeswrong/cli@0.18.5', tarball, '--profile', 'esm-only')
} catch (error) {
  // What ran has said what is wrong.
  if (!(error instanceof Error && 'status' in error)) throw error
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
