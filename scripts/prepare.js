// Runs when dependencies are installed: generates and builds, so that `npm ci && npm start` is all it takes.

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** @param {string} name */
function isInstalled (name) {
  try {
    require.resolve(`${name}/package.json`)
    return true
  } catch {
    return false
  }
}

const isBuilt = existsSync(new URL('../dist/server.js', import.meta.url))

// `npx fastify-sse-chat` in this folder prepares the package, too. Starting rewrites nothing.
if (process.env.npm_command === 'exec' && isBuilt) {
  console.log('Built already')
} else if (['prisma', 'typescript', 'esbuild'].every(isInstalled)) {
  process.argv.push('--noCheck')
  await import('./build.js')
} else if (!isBuilt) {
  console.error('fastify-sse-chat is not built: building takes the development dependencies (`npm ci` without --omit=dev)')
}
