// Runs the tests: all of them, or the files that are named. TypeScript is compiled once, into a folder in .tap; else each of the
// processes would compile what it loads. `tap run` is not used, because it adds loaders (a compiler of its own, coverage) to each
// test and to each server that a test starts. They take longer than most of the tests.

import { execFileSync, spawn } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import t from 'tap'
import { root } from './prisma.js'

/** More than there are cores, since half of the tests wait most of their time. */
const JOBS = 4
/** For one file, against hanging: on a machine that others use, one may take minutes. */
const TIMEOUT_S = 300
/** Time for the tests to clean up after an interruption, in milliseconds. */
const INTERRUPT_MS = 3000
/** Beginnings of the names of files that take long. They start first, so that none of them runs on alone at the end. */
const LONGEST = ['cluster/nodes', 'databases/', 'clock/', 'browser/', 'chaos/', 'server', 'client', 'package', 'faults/', 'fuzz/', 'isolation/']

/** Each run has its own, so that two of them do not disturb each other. */
const compiled = join(root, '.tap', `compiled-${process.pid}`)
const tap = createRequire(import.meta.url).resolve('tap/package.json').replace(/package\.json$/, 'dist/esm/run.mjs')

/** What tests load. The page and the examples are built or run as users do it. */
function sources () {
  const leftOut = ['node_modules', 'dist', 'dist.building', 'bench', 'examples', 'web', 'eslint.config.js']
  return readdirSync(root, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.') && !leftOut.includes(name))
    .flatMap(entry => entry.isDirectory()
      ? readdirSync(join(root, entry.name), { recursive: true, encoding: 'utf8' }).map(name => join(entry.name, name))
      : [entry.name])
    .filter(name => ['.ts', '.tsx', '.js'].includes(extname(name)))
}

/** Compiled files find the files of the repository as their sources do. */
const urlOfTheSource = {
  name: 'url-of-the-source',
  /** @param {import('esbuild').PluginBuild} builder */
  setup (builder) {
    builder.onLoad({ filter: /\.(ts|tsx|js)$/ }, ({ path }) => {
      if (path.includes('node_modules')) return undefined
      const contents = readFileSync(path, 'utf8').replaceAll(/\bimport\.meta\.url\b/g, JSON.stringify(pathToFileURL(path).href))
      return { contents, loader: path.endsWith('.tsx') ? 'tsx' : path.endsWith('.ts') ? 'ts' : 'js' }
    })
  }
}

async function compile () {
  await build({
    absWorkingDir: root,
    entryPoints: sources(),
    outdir: compiled,
    outbase: root,
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    sourcesContent: false,
    plugins: [urlOfTheSource],
    logLevel: 'error'
  })
  await bundleServer()
}

/**
 * The server with its dependencies, in few files: tests start it more than a hundred times, with 0.55 s of CPU instead of 0.95.
 * Left out is what finds files of its own beside it.
 */
async function bundleServer () {
  await build({
    absWorkingDir: root,
    entryPoints: ['server.ts'],
    outdir: join(compiled, 'bundle'),
    bundle: true,
    splitting: true,
    // As packages: they have binaries, files of their own, or (ioredis) exports that a bundle loses
    external: ['@node-rs/argon2', '@prisma/client', '@prisma/schema-engine-wasm', 'better-sqlite3', 'ioredis', 'pg-native', 'pino'],
    platform: 'node',
    format: 'esm',
    target: 'node20',
    keepNames: true,
    banner: { js: `import { createRequire as requireOf } from 'node:module'; const require = requireOf(${JSON.stringify(join(root, 'server.ts'))});` },
    plugins: [urlOfTheSource],
    logLevel: 'error'
  })
}

/** The files to run, those first that take long. */
function testFiles () {
  const place = (/** @type {string} */ file) => {
    const index = LONGEST.findIndex(start => file.startsWith(`test/${start}`))
    return index === -1 ? LONGEST.length : index
  }
  const names = execFileSync(process.execPath, [tap, 'list', ...process.argv.slice(2)], { cwd: root, encoding: 'utf8' })
  return names.trim().split('\n').sort((a, b) => place(a) - place(b))
}

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()
t.on('spawn', test => test.once('process', (/** @type {import('node:child_process').ChildProcess} */ child) => {
  running.add(child)
  child.once('exit', () => { running.delete(child) })
}))
// A run that is interrupted leaves nothing behind.
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => {
    for (const child of running) child.kill(signal)
    setTimeout(() => {
      for (const child of running) child.kill('SIGKILL')
      process.exit(1)
    }, INTERRUPT_MS)
  })
}
process.once('exit', () => { rmSync(compiled, { recursive: true, force: true }) })

const files = testFiles()
await compile()

// A terminal gets a summary; everything else gets TAP.
if (process.stdout.isTTY) {
  // After an installation, tap rebuilds itself for the plugins of .taprc, which must not happen while tests load it.
  execFileSync(process.execPath, [tap, 'build'], { cwd: root, stdio: 'ignore' })
  t.pipe(spawn(process.execPath, [tap, 'run', '-'], { cwd: root, stdio: ['pipe', 'inherit', 'inherit'] }).stdin)
}
t.setTimeout(0)
t.jobs = JOBS
t.plan(files.length)
for (const file of files) {
  // `env` takes away the loaders that tap gives to what it starts.
  const command = ['-u', 'NODE_OPTIONS', process.execPath, '--enable-source-maps', join(compiled, file.replace(/\.ts$/, '.js'))]
  t.spawn('env', command, {
    name: file,
    cwd: root,
    buffered: true,
    timeout: TIMEOUT_S * 1000,
    env: { ...process.env, TAP_TIMEOUT: String(TIMEOUT_S), TEST_COMPILED: pathToFileURL(`${compiled}/`).href },
    at: null,
    stack: ''
  })
}
