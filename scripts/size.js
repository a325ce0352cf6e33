// Prints what the client weighs in a browser's bundle: minified and gzipped. Fails when it has outgrown its
// limits.

import { gzipSync } from 'node:zlib'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const LIMIT_KB = 6
const LIMIT_ALL_KB = 24

/** @param {string} source */
async function gzippedKb (source) {
  const result = await build({
    stdin: { contents: source, resolveDir: fileURLToPath(new URL('../client', import.meta.url)), loader: 'ts' },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external: ['react'],
    logLevel: 'error'
  })
  return gzipSync(result.outputFiles[0].contents, { level: 9 }).length / 1024
}

const sizes = {
  'subscribeToSSE alone': await gzippedKb('export { subscribeToSSE } from "./index.js"'),
  createChatClient: await gzippedKb('export { createChatClient } from "./index.js"'),
  everything: await gzippedKb('export * from "./index.js"'),
  'an import that uses nothing': await gzippedKb('import "./index.js"')
}
for (const [what, kb] of Object.entries(sizes)) console.log(`${what.padEnd(28)} ${kb.toFixed(2)} KB`)
if (sizes['subscribeToSSE alone'] > LIMIT_KB) {
  console.error(`subscribeToSSE may weigh ${LIMIT_KB} KB at most`)
  process.exitCode = 1
}
if (sizes.everything > LIMIT_ALL_KB) {
  console.error(`All of the client may weigh ${LIMIT_ALL_KB} KB at most`)
  process.exitCode = 1
}
