// Builds the page: bundles web/ into a folder, every file but index.html under a name that tells its content.
// Run by itself it builds into dist/web, for a server that runs from source.

import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { root } from './prisma.js'

/**
 * What index.html names, and what is built for it.
 * @type {Record<string, string>}
 */
const entryPoints = { 'page.js': 'main.tsx', 'page.css': 'style/index.css', 'icon.svg': 'icon.svg' }

/**
 * Writes the page into a folder, and takes out of it what an earlier build left.
 * @param {string} directory
 * @returns the size of each file in bytes, gzipped
 */
export async function buildPage (directory) {
  const web = join(root, 'web')
  const { outputFiles, metafile } = await build({
    absWorkingDir: web,
    entryPoints: Object.values(entryPoints),
    entryNames: '[name]-[hash]',
    outdir: directory,
    loader: { '.svg': 'copy' },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'error'
  })

  let html = await readFile(join(web, 'index.html'), 'utf8')
  for (const [name, source] of Object.entries(entryPoints)) {
    const output = Object.keys(metafile.outputs).find((path) => source in (metafile.outputs[path]?.inputs ?? {}) && basename(path).endsWith(name.slice(name.indexOf('.'))))
    if (output === undefined) throw new Error(`web/${source} was not built`)
    html = html.replaceAll(`"${name}"`, `"${basename(output)}"`)
  }

  const files = new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]))
  files.set('index.html', Buffer.from(html))
  // Each file appears whole, for who reads while this writes.
  const fresh = `${directory}.${process.pid}`
  await Promise.all([directory, fresh].map((path) => mkdir(path, { recursive: true })))
  for (const [name, contents] of files) {
    await writeFile(join(fresh, name), contents)
    await rename(join(fresh, name), join(directory, name))
  }
  await rm(fresh, { recursive: true })
  for (const name of await readdir(directory)) if (!files.has(name)) await rm(join(directory, name), { recursive: true })
  return Object.fromEntries([...files].map(([name, contents]) => [name, gzipSync(contents).length]))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(await buildPage(join(root, 'dist', 'web')))
}
