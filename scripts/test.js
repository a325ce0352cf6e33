// Runs the tests: all of them, or the files that are named. TypeScript is compiled once, into a folder in .tap; else each of the
// processes would compile what it loads. `tap run` is not used, because it adds loaders (a compiler of its own, coverage) to each
// test and to each server that a test starts. They take longer than most of the tests.

import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import t from 'tap'
import { buildPage } from './page.js'
import { root } from './prisma.js'

/** More than there are cores, since half of the tests wait part of their time. */
const JOBS = 3
/** For one file, against hanging: on a machine that others use, one may take minutes. */
const TIMEOUT_S = 600
/** Time for the tests to clean up after an interruption, in milliseconds. */
const INTERRUPT_MS = 3000
/** Beginnings of the names of files that take long. They start first, so that none of them runs on alone at the end. */
const LONGEST = [
  // Those with many connections to PostgreSQL apart from each other: by default it has a hundred.
  'databases/postgres-2', 'databases/sqlite-1', 'databases/sqlite-2', 'client', 'cluster/nodes-postgres', 'clock/', 'package',
  'databases/', 'convergence/', 'cluster/nodes-redis', 'server', 'chaos/', 'cluster/', 'faults/',
  'fuzz/', 'isolation/'
]

/** How many of the dearest files the summary names, without `--times`. */
const DEAREST = 10

const { values: { times: allTimes }, positionals: named } = parseArgs({
  options: { times: { type: 'boolean', default: false } },
  allowPositionals: true
})

/** Each run has its own, so that two of them do not disturb each other. */
const compiled = join(root, '.tap', `compiled-${process.pid}`)
const tap = createRequire(import.meta.url).resolve('tap/package.json').replace(/package\.json$/, 'dist/esm/run.mjs')
/** Where each test leaves how much CPU it took, in a file that is named by its process. */
const times = join(compiled, 'times')
const preload = new URL('test-process.js', import.meta.url).href

/** A file system in memory, and what it needs to have free for the databases and files of all tests, in bytes. */
const MEMORY = { folder: '/dev/shm', free: 4 * 2 ** 30, type: 0x01021994 }

/** Where tests put their files, removed at the end. In memory, if there is room: on a disk, tests wait for it half of their time. */
function temporaryFolder () {
  let inMemory = false
  try {
    const { type, bavail, bsize } = statfsSync(MEMORY.folder)
    inMemory = type === MEMORY.type && bavail * bsize > MEMORY.free
  } catch {} // Not on this system
  return mkdtempSync(join(inMemory ? MEMORY.folder : tmpdir(), 'fastify-sse-chat-tests-'))
}

/** What tests load. The page and the examples are built or run as users do it. */
function sources () {
  const leftOut = ['node_modules', 'dist', 'dist.building', 'bench', 'examples', 'web', 'eslint.config.js']
  return readdirSync(root, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.') && !leftOut.includes(name))
    .flatMap(entry => entry.isDirectory()
      ? readdirSync(join(root, entry.name), { recursive: true, encoding: 'utf8' }).map(name => join(entry.name, name))
      : [entry.name])
    .filter(name => ['.ts', '.tsx', '.js'].includes(extname(name)) && !name.includes('node_modules'))
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
  await bundle()
}

/**
 * The tests, and the server that they start more than a hundred times, with their dependencies, in few files: a process loads them with
 * 0.4 s less of CPU. Left out are tools, and what finds files of its own beside it.
 */
async function bundle () {
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  await build({
    absWorkingDir: root,
    entryPoints: ['server.ts', ...sources().filter(file => file.endsWith('.test.ts'))],
    outdir: join(compiled, 'bundle'),
    outbase: root,
    bundle: true,
    splitting: true,
    sourcemap: 'inline',
    sourcesContent: false,
    // As packages: they have binaries, files of their own, or (ioredis) exports that a bundle loses
    external: ['@fastify/swagger-ui', '@node-rs/argon2', '@prisma/client', '@prisma/schema-engine-wasm', 'better-sqlite3', 'ioredis', 'pg-native',
      'pino', ...Object.keys(devDependencies)],
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
  const names = execFileSync(process.execPath, [tap, 'list', ...named], { cwd: root, encoding: 'utf8' })
  return names.trim().split('\n').sort((a, b) => place(a) - place(b))
}

/** CPU seconds by file. */
/** @type {Map<string, number>} */
const taken = new Map()

/** The dearest files, or all of them; and what the run took. On standard error: standard output is TAP. */
function showTimes () {
  if (taken.size === 0) return
  const dearest = [...taken].sort(([, a], [, b]) => b - a).slice(0, allTimes ? Infinity : DEAREST)
  const total = [...taken.values()].reduce((sum, seconds) => sum + seconds, 0)
  const line = (/** @type {number} */ seconds, /** @type {string} */ what) => `${seconds.toFixed(1).padStart(7)} ${what}\n`
  process.stderr.write([
    `\nCPU seconds of the tests, with the processes that they start${allTimes ? '' : ' (all files: --times)'}\n`,
    ...dearest.map(([file, seconds]) => line(seconds, file)),
    line(total, `${taken.size} of ${files.length} files, in ${performance.now() / 1000 | 0} s; one that was killed has no time`)
  ].join(''))
}

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()
/** @param {import('tap').Test} parent */
function watch (parent) {
  parent.on('spawn', test => test.once('process', (/** @type {import('node:child_process').ChildProcess} */ child) => {
    running.add(child)
    child.once('exit', () => {
      running.delete(child)
      try { taken.set(test.name, Number(readFileSync(join(times, String(child.pid)), 'utf8'))) } catch {} // It was killed
    })
  }))
}
watch(t)
// Before what follows: compiling alone may take longer than tap's limit on a busy machine.
t.setTimeout(0)
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
process.once('exit', showTimes) // The reporter has ended by then
const temporary = temporaryFolder()
process.once('exit', () => { for (const folder of [compiled, temporary]) rmSync(folder, { recursive: true, force: true }) })

const files = testFiles()
await compile()
mkdirSync(times)
if (files.some(file => file.startsWith('test/browser/'))) await buildPage(join(root, 'dist', 'web'))

// A terminal gets a summary; everything else gets TAP.
if (process.stdout.isTTY) {
  // After an installation, tap rebuilds itself for the plugins of .taprc, which must not happen while tests load it.
  execFileSync(process.execPath, [tap, 'build'], { cwd: root, stdio: 'ignore' })
  t.pipe(spawn(process.execPath, [tap, 'run', '-'], { cwd: root, stdio: ['pipe', 'inherit', 'inherit'] }).stdin)
}
t.jobs = JOBS
// A browser has some ten processes, and starves what runs beside it: there is one at a time.
const inBrowser = files.filter(file => file.startsWith('test/browser/'))
const others = files.filter(file => !inBrowser.includes(file))
t.plan(others.length + (inBrowser.length > 0 ? 1 : 0))
if (inBrowser.length > 0) {
  t.test('test/browser', { buffered: true, timeout: 0 }, async browsers => {
    browsers.setTimeout(0)
    watch(browsers)
    for (const file of inBrowser) await run(browsers, file)
  })
}
for (const file of others) run(t, file)

/**
 * @param {import('tap').Test} parent
 * @param {string} file
 */
async function run (parent, file) {
  // `env` takes away the loaders that tap gives to what it starts.
  // Many apps are made and forgotten: with more room for what is new, collecting it takes a third of the time.
  const flags = ['--enable-source-maps', '--max-semi-space-size=64', `--import=${preload}`]
  const command = ['-u', 'NODE_OPTIONS', process.execPath, ...flags, join(compiled, 'bundle', file.replace(/\.ts$/, '.js'))]
  await parent.spawn('env', command, {
    name: file,
    cwd: root,
    buffered: true,
    timeout: TIMEOUT_S * 1000,
    env: { ...process.env, TMPDIR: temporary, TAP_TIMEOUT: String(TIMEOUT_S), TEST_COMPILED: pathToFileURL(`${compiled}/`).href, TEST_TIMES: times, TEST_PAGE: 'built' },
    at: null,
    stack: ''
  })
}
