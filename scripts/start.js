// What `npm start` runs. Says in one line what is missing where the server was not installed or not built.

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const server = new URL('../dist/server.js', import.meta.url)

/** @param {string[]} names */
function areInstalled (...names) {
  try {
    for (const name of names) require.resolve(`${name}/package.json`)
    return true
  } catch {
    return false
  }
}

if (!areInstalled('fastify')) {
  console.error('The dependencies are not installed. Run: npm ci')
  process.exitCode = 1
} else if (!existsSync(server)) {
  // With --ignore-scripts, npm ci does not build; without development dependencies, it cannot.
  console.error(`The server is not built. Run: ${areInstalled('prisma', 'typescript', 'esbuild') ? 'npm run build' : 'npm ci'}`)
  process.exitCode = 1
} else {
  await import(server.href)
}
