// Builds the page: bundles web/ into a folder, every file but index.html under a name that depends on its content.
// Run as a script, it builds into dist/web, for a server that runs from source.

import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, context } from 'esbuild'
import { root } from './prisma.js'

const web = join(root, 'web')
const template = join(web, 'index.html')

/**
 * The names in index.html, and the sources that they are built from.
 * @type {Record<string, string>}
 */
const entryPoints = { 'page.js': 'main.tsx', 'page.css': 'style/index.css', 'icon.svg': 'icon.svg' }

/** @param {string} directory */
const optionsFor = directory => /** @type {const} */ ({
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

/**
 * Builds the page into a folder, and removes from it what an earlier build left.
 * @param {string} directory
 * @returns the size of each file in bytes, gzipped
 */
export async function buildPage (directory) {
  return await writePage(directory, await build(optionsFor(directory)))
}

/**
 * Builds the page into a folder, and again whenever one of its sources changes.
 * @param {string} directory
 * @returns when the first build has ended, a function that stops watching
 */
export async function watchPage (directory) {
  /** @type {() => void} */
  let built = () => {}
  const first = new Promise(resolve => { built = () => resolve(undefined) })
  const watcher = await context({
    ...optionsFor(directory),
    plugins: [{
      name: 'page',
      setup ({ onEnd, onLoad }) {
        // The template is not an input of the bundle, so it is watched along with an entry point.
        onLoad({ filter: /[\\/]web[\\/]main\.tsx$/ }, async ({ path }) => ({ contents: await readFile(path, 'utf8'), loader: 'tsx', watchFiles: [template] }))
        onEnd(async ({ errors, outputFiles = [], metafile }) => {
          if (errors.length === 0 && metafile !== undefined) await writePage(directory, { outputFiles, metafile })
          built()
        })
      }
    }]
  })
  await watcher.watch()
  await first
  return async () => { await watcher.dispose() }
}

/**
 * @param {string} directory
 * @param {{ outputFiles: import('esbuild').OutputFile[], metafile: import('esbuild').Metafile }} result
 * @returns the size of each file in bytes, gzipped
 */
async function writePage (directory, { outputFiles, metafile }) {
  let html = await readFile(template, 'utf8')
  for (const [name, source] of Object.entries(entryPoints)) {
    const extension = name.slice(name.indexOf('.'))
    const [output] = Object.entries(metafile.outputs).find(([path, { inputs }]) => source in inputs && path.endsWith(extension)) ?? []
    if (output === undefined) throw new Error(`web/${source} was not built`)
    html = html.replaceAll(`"${name}"`, `"${basename(output)}"`)
  }

  const files = new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]))
  files.set('index.html', Buffer.from(html))
  // Files are moved into place, so that a server that reads meanwhile never sees half of one.
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
