// Compiles what the package contains, without the page: the server, the client, their types and the migrations.

import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { providers, root } from './prisma.js'

/** The declarations of what package.json exports. */
const entryTypes = ['index.d.ts', 'client/index.d.ts', 'client/react.d.ts', 'web/chat.d.ts']

/**
 * @param {string} folder
 * @param {string[]} args for tsc
 */
export function compile (folder, ...args) {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', folder, ...args], { cwd: root, stdio: 'inherit' })
  for (const provider of providers) {
    const migrations = join('prisma', provider, 'migrations')
    cpSync(join(root, migrations), join(folder, migrations), { recursive: true })
  }
  // The types of the elements belong to those of the React components.
  cpSync(join(root, 'web', 'chat.d.ts'), join(folder, 'web', 'chat.d.ts'))
  removeUnreachableTypes(folder)
}

/**
 * Removes declarations that no export leads to. Those of Prisma's clients are 1.5 MB, and only needed for writing, which is the chat's own.
 * @param {string} folder
 */
function removeUnreachableTypes (folder) {
  writeFileSync(join(folder, 'store', 'prisma.d.ts'), '/** Prisma\'s client, with which the chat writes. */\nexport type Prisma = unknown\n')
  const reached = new Set(entryTypes.map(name => join(folder, name)))
  for (const file of reached) {
    for (const { fileName } of ts.preProcessFile(readFileSync(file, 'utf8')).importedFiles) {
      if (fileName.startsWith('.')) reached.add(join(dirname(file), fileName.replace(/\.js$/, '.d.ts')))
    }
  }
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.d.ts') && !reached.has(join(folder, name))) rmSync(join(folder, name))
  }
}
