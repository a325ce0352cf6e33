// Builds the page and the custom elements: bundles web/ into a folder, every file but index.html and chat.js under a name that
// depends on its content. Run as a script, it builds into dist/web, for a server that runs from source, and says what each weighs.

import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'
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
/** What the elements may weigh: chat.js with all that it loads at once, gzipped. */
export const LIMIT_KB = 60

/**
 * Makes `emoji:en` of emojibase's data: each emoji with its name and what it is found by, in the usual order.
 * @type {import('esbuild').Plugin}
 */
const emoji = {
  name: 'emoji',
  setup ({ onResolve, onLoad }) {
    onResolve({ filter: /^emoji:/ }, ({ path }) => ({ path: path.slice('emoji:'.length), namespace: 'emoji' }))
    onLoad({ filter: /./, namespace: 'emoji' }, async ({ path: language }) => {
      const file = createRequire(import.meta.url).resolve(`emojibase-data/${language}/compact.json`)
      /** @type {{ unicode: string, label: string, tags?: string[], order?: number }[]} */
      const all = JSON.parse(await readFile(file, 'utf8'))
      const known = all.filter(({ order }) => order !== undefined).sort((a, b) => (a.order ?? 0) - (b.order ?? 0))
      return { loader: 'json', contents: JSON.stringify(known.map(({ unicode, label, tags = [] }) => [unicode, `${label}|${tags.join(' ')}`.toLowerCase()])) }
    })
  }
}

const rem = /(?<![\w.-])(-?(?:\d+(?:\.\d+)?|\.\d+))rem\b/g

/**
 * Makes a text of a style sheet and all that it imports, for the elements. Their sizes must not depend on the root element of the
 * page around them, so `rem` becomes a variable, or 16 pixels in conditions, where variables have no meaning.
 * @type {import('esbuild').Plugin}
 */
const style = {
  name: 'style',
  setup ({ onResolve, onLoad }) {
    onResolve({ filter: /^style:/ }, ({ path, resolveDir }) => ({ path: join(resolveDir, path.slice('style:'.length)), namespace: 'style' }))
    onLoad({ filter: /./, namespace: 'style' }, async ({ path }) => {
      const { outputFiles: [file], metafile } = await build({
        absWorkingDir: web, entryPoints: [path], bundle: true, minify: true, write: false, metafile: true, outdir: web, logLevel: 'error'
      })
      const css = String(file?.text)
        .replaceAll(/@(?:media|container)[^{]*\{/g, (condition) => condition.replaceAll(rem, (_, size) => `${Number(size) * 16}px`))
        .replaceAll(rem, 'calc($1*var(--chat-rem))')
      return { loader: 'text', contents: css, watchFiles: Object.keys(metafile.inputs).map((name) => join(web, name)) }
    })
  }
}

/**
 * Leaves out of the client what neither the page nor the elements use: reading a stream with a given `EventSource`, and sending messages
 * that grow.
 * @type {import('esbuild').Plugin}
 */
const unused = {
  name: 'unused',
  setup ({ onLoad }) {
    onLoad({ filter: /[\\/]client[\\/]stream[\\/]event-source-connection\.ts$/ }, () => ({ contents: 'export const openEventSourceConnection = undefined' }))
    onLoad({ filter: /[\\/]client[\\/]grow\.ts$/ }, () => ({ contents: 'export const growMessage = undefined' }))
  }
}

/**
 * Puts the dialogs with their styles in the place of those without.
 * @type {import('esbuild').Plugin}
 */
const styledDialogs = {
  name: 'styled-dialogs',
  setup ({ onResolve }) {
    onResolve({ filter: /[/]dialogs[.]js$/ }, ({ resolveDir }) => resolveDir === join(web, 'element') ? undefined : { path: join(web, 'element', 'dialogs.ts') })
  }
}

/** @param {string} directory */
const common = directory => /** @type {const} */ ({
  absWorkingDir: web,
  outdir: directory,
  plugins: [emoji, style, unused],
  bundle: true,
  splitting: true,
  minify: true,
  write: false,
  metafile: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
  logLevel: 'error'
})

/**
 * The page, and the elements. What the elements load on demand lies in a folder of its own, since a server may serve them alone.
 * @param {string} directory
 * @returns {import('esbuild').BuildOptions[]}
 */
const bundles = directory => [
  {
    ...common(directory),
    entryPoints: Object.values(entryPoints),
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    loader: { '.svg': 'copy' }
  },
  {
    ...common(directory),
    plugins: [...common(directory).plugins, styledDialogs],
    entryPoints: [{ in: 'element/index.ts', out: 'chat' }],
    chunkNames: 'chat/[name]-[hash]'
  }
]

/**
 * Builds the page and the elements into a folder, and removes from it what an earlier build left.
 * @param {string} directory
 * @returns the size of each file, and of what the page and the elements load at once, in bytes, gzipped
 */
export async function buildPage (directory) {
  return await writePage(directory, await Promise.all(bundles(directory).map(async options => await build(options))))
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
  /** @type {import('esbuild').BuildResult[]} */
  const results = []
  let failed = false
  const watchers = await Promise.all(bundles(directory).map(async (options, index) => await context({
    ...options,
    plugins: [...options.plugins ?? [], {
      name: 'page',
      setup ({ onEnd, onLoad }) {
        // The template is not an input of the bundle, so it is watched along with an entry point.
        onLoad({ filter: /[\\/]web[\\/]main\.tsx$/ }, async ({ path }) => ({ contents: await readFile(path, 'utf8'), loader: 'tsx', watchFiles: [template] }))
        onEnd(async (result) => {
          if (result.errors.length === 0) results[index] = result
          else failed = true
          if (results[0] !== undefined && results[1] !== undefined) await writePage(directory, results)
          else if (!failed) return
          built()
        })
      }
    }]
  })))
  await Promise.all(watchers.map(async watcher => await watcher.watch()))
  await first
  return async () => { await Promise.all(watchers.map(async watcher => await watcher.dispose())) }
}

/**
 * The files that a script loads at once, itself first.
 * @param {import('esbuild').Metafile} metafile
 * @param {string} script
 * @returns {string[]}
 */
function closure ({ outputs }, script) {
  const found = new Set([script])
  for (const path of found) {
    for (const imported of outputs[path]?.imports ?? []) if (imported.kind === 'import-statement') found.add(imported.path)
  }
  return [...found]
}

/**
 * Leaves out files of the page that are the same as one of the elements, such as the names of emoji, and has the page load those.
 * @param {Map<string, Uint8Array>} built
 * @returns the files, and for each one that was left out the one in its place
 */
function share (built) {
  const ofElements = new Map([...built].filter(([name]) => name.startsWith('chat/'))
    .map(([name, contents]) => [Buffer.from(contents).toString(), name]))
  /** @type {Map<string, string>} */
  const shared = new Map()
  for (const [name, contents] of built) {
    const other = name.startsWith('chat/') ? undefined : ofElements.get(Buffer.from(contents).toString())
    if (other !== undefined) shared.set(name, other)
  }
  const files = new Map([...built].filter(([name]) => !shared.has(name)).map(([name, contents]) => {
    if (name.startsWith('chat') || !name.endsWith('.js')) return [name, contents]
    // Names have a hash in them, so that nothing else in a script looks like one.
    return [name, Buffer.from(Buffer.from(contents).toString().replaceAll(/(?<=["'`]\.\/)[\w-]+\.js(?=["'`])/g, file => shared.get(file) ?? file))]
  }))
  return { files, shared }
}

/**
 * @param {string} directory
 * @param {import('esbuild').BuildResult[]} results those of `bundles`
 * @returns the size of each file, and of what the page and the elements load at once, in bytes, gzipped
 */
async function writePage (directory, results) {
  const [page] = results
  if (page?.metafile === undefined) throw new Error('web/ was not built')
  const { metafile } = page
  const built = new Map(results.flatMap(({ outputFiles = [] }) => outputFiles)
    .map(({ path, contents }) => [relative(directory, path).split(sep).join('/'), contents]))
  const { files, shared } = share(built)
  /** Paths in metafiles are relative to web/, those of a page to its folder. @param {string} path */
  const nameOf = path => {
    const name = relative(directory, join(web, path)).split(sep).join('/')
    return shared.get(name) ?? name
  }
  let html = await readFile(template, 'utf8')
  for (const [name, source] of Object.entries(entryPoints)) {
    const extension = name.slice(name.indexOf('.'))
    const [output] = Object.entries(metafile.outputs).find(([path, { inputs }]) => source in inputs && path.endsWith(extension)) ?? []
    if (output === undefined) throw new Error(`web/${source} was not built`)
    html = html.replaceAll(`"${name}"`, `"${nameOf(output)}"`)
    if (extension !== '.js') continue
    // The browser need not read one script to learn of the next.
    const links = closure(metafile, output).slice(1).map((path) => `    <link rel="modulepreload" href="${nameOf(path)}">\n`)
    html = html.replace('  </head>', `${links.join('')}  </head>`)
  }

  files.set('index.html', Buffer.from(html))
  files.set('chat.d.ts', await readFile(join(web, 'chat.d.ts')))
  // Files are moved into place, so that a server that reads meanwhile never sees half of one.
  const fresh = `${directory}.${process.pid}`
  for (const [name, contents] of files) {
    await Promise.all([directory, fresh].map((path) => mkdir(dirname(join(path, name)), { recursive: true })))
    await writeFile(join(fresh, name), contents)
    await rename(join(fresh, name), join(directory, name))
  }
  await rm(fresh, { recursive: true })
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && !files.has(relative(directory, path).split(sep).join('/'))) await rm(path)
  }
  const sizes = Object.fromEntries([...files].map(([name, contents]) => [name, gzipSync(contents, { level: 9 }).length]))
  const atOnce = (/** @type {import('esbuild').BuildResult | undefined} */ result, /** @type {RegExp} */ script) => result?.metafile === undefined
    ? 0
    : closure(result.metafile, Object.keys(result.metafile.outputs).find((path) => script.test(nameOf(path))) ?? '')
      .reduce((sum, path) => sum + (sizes[nameOf(path)] ?? 0), 0)
  return { sizes, page: atOnce(page, /^main-/), elements: atOnce(results[1], /^chat\.js$/) }
}

/**
 * Says what the page and the elements weigh. What is loaded on demand does not count.
 * @param {{ page: number, elements: number }} weights in bytes
 */
export function reportWeights ({ page, elements }) {
  const kb = (/** @type {number} */ bytes) => `${(bytes / 1024).toFixed(1)} KB`
  console.log(`Gzipped, without what is loaded on demand: the page's scripts ${kb(page)}, the elements (chat.js) ${kb(elements)} of ${LIMIT_KB}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const built = await buildPage(join(root, 'dist', 'web'))
  console.log(built.sizes)
  reportWeights(built)
}
