// `npm run sbom`: writes the list of what the package depends on (CycloneDX) to sbom.cdx.json. `npm sbom --omit dev` in this folder leaves out
// whatever a development dependency needs as well, such as fastify.

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './prisma.js'

const temporary = mkdtempSync(join(tmpdir(), 'chat-sbom-'))
try {
  const { devDependencies, overrides, scripts, ...manifest } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  // npm names what it lists after its folder.
  const folder = join(temporary, manifest.name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  cpSync(join(root, 'package-lock.json'), join(folder, 'package-lock.json'))
  execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder, stdio: 'inherit' })
  const list = execFileSync('npm', ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx'],
    { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26 })
  /** @type {{ group?: string, name: string }[]} */
  const components = JSON.parse(list).components
  const names = components.map(({ group, name }) => group === undefined ? name : `${group}/${name}`)
  const missing = Object.keys(manifest.dependencies).filter(name => !names.includes(name))
  if (missing.length > 0) throw new Error(`The list lacks ${missing.join(', ')}`)
  writeFileSync(join(root, 'sbom.cdx.json'), list)
  console.log(`sbom.cdx.json: ${names.length} packages`)
} finally {
  rmSync(temporary, { recursive: true, force: true })
}
