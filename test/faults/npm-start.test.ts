import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { serverCommand } from '../chaos/server-process.js'
import { openEvents } from '../event-reader.js'
import { mint, SECRET } from '../chaos/token.js'
import { eventually, temporaryFolder } from './process.js'

const skip = process.platform === 'win32' ? 'Windows has no signals' : spawnSync('npm', ['--version']).status === 0 ? false : 'there is no npm'
const root = new URL('../../', import.meta.url)

interface Started { npm: ChildProcess, origin: string, exited: Promise<{ code: number | null, signal: string | null }>, output: () => string }

/** The project's own start script, in a folder of its own. */
function clone (t: Test): string {
  const folder = temporaryFolder(t)
  const { name, scripts: { start } } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { name: string, scripts: { start: string } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version: '0.0.0', type: 'module', scripts: { start } }))
  cpSync(new URL('scripts/start.js', root), join(folder, 'scripts', 'start.js'))
  return folder
}

/** Installs packages of this repository, or all of them. */
function install (folder: string, ...names: string[]): void {
  const modules = fileURLToPath(new URL('node_modules', root))
  if (names.length === 0) return symlinkSync(modules, join(folder, 'node_modules'))
  mkdirSync(join(folder, 'node_modules'))
  for (const name of names) symlinkSync(join(modules, name), join(folder, 'node_modules', name))
}

/** `npm start` as the leader of a process group. */
async function npmStart (t: Test, { env = {}, args = [] }: { env?: Record<string, string>, args?: string[] } = {}): Promise<Started> {
  const folder = clone(t)
  install(folder)
  mkdirSync(join(folder, 'dist'))
  // The build, or the sources if the build is older.
  const server = pathToFileURL(resolve(serverCommand().at(-1)!)).href
  const loader = server.endsWith('.ts') ? `import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}\nregister()\n` : ''
  writeFileSync(join(folder, 'dist', 'server.js'), `${loader}await import(${JSON.stringify(server)})\n`)

  const npm = spawn('npm', ['start', ...args], {
    cwd: folder,
    detached: true,
    env: { PATH: process.env.PATH, HOME: folder, NPM_CONFIG_UPDATE_NOTIFIER: 'false', PORT: '0', JWT_SECRET: SECRET, LOG_LEVEL: 'info', PAGE: 'off', ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => {
    try {
      process.kill(-npm.pid!, 'SIGKILL')
    } catch { /* all are gone */ }
  })
  let output = ''
  for (const stream of [npm.stdout, npm.stderr]) stream.on('data', chunk => { output += String(chunk) })
  const exited = once(npm, 'exit').then(([code, signal]) => ({ code: code as number | null, signal: signal as string | null }))
  await eventually('the server listens', () => {
    if (npm.exitCode !== null) throw new Error(output)
    return /listens on /.test(output)
  }, 60_000)
  return { npm, exited, output: () => output, origin: /listens on (http:\/\/\S+)/.exec(output)![1]! }
}

/** Whether a process of its group remains. */
const isGone = ({ npm }: Started): boolean => {
  try {
    process.kill(-npm.pid!, 0)
    return false
  } catch {
    return true
  }
}

/** Sends a signal, and records what happens until every process has ended. */
async function drains (t: Test, started: Started, pid: number, signal: NodeJS.Signals): Promise<void> {
  const { origin } = started
  const streams = await Promise.all(Array.from({ length: 3 }, async () => await openEvents(t, `${origin}/api/sse`, { authorization: `Bearer ${mint('anna')}` })))
  for (const stream of streams) await stream.next('connected')
  const since = performance.now()
  process.kill(pid, signal)
  for (const stream of streams) {
    t.match((await stream.next('disconnect')).data, { reason: 'shutdown' })
    await stream.ended
  }
  await eventually('all are gone', () => isGone(started))
  t.ok(performance.now() - since < 10_000, 'within ten seconds')
  await t.rejects(fetch(`${origin}/health/live`), 'the port is free')
  t.match(started.output(), /shutting down/, 'it says so')
}

await t.test('SIGTERM to npm alone: the server drains, and npm ends with 0', { skip }, async t => {
  const started = await npmStart(t)
  await drains(t, started, started.npm.pid!, 'SIGTERM')
  t.same(await started.exited, { code: 0, signal: null })
})

await t.test('to the whole group, as Ctrl-C and systemd send it: twice is once', { skip }, async t => {
  const started = await npmStart(t)
  await drains(t, started, -started.npm.pid!, 'SIGINT')
  t.same(await started.exited, { code: 0, signal: null })
})

await t.test('npm goes without a word to the server: it drains, too', { skip }, async t => {
  const started = await npmStart(t)
  await drains(t, started, started.npm.pid!, 'SIGHUP')
  t.same(await started.exited, { code: null, signal: 'SIGHUP' })
})

await t.test('where the shell has no exec, it starts and drains all the same', { skip }, async t => {
  const shell = join(temporaryFolder(t), 'shell')
  // As cmd reports an unknown command.
  writeFileSync(shell, '#!/bin/sh\nexec sh -c "$(printf %s "$2" | sed \'s/\\bexec /exec-is-unknown /g\')"\n')
  chmodSync(shell, 0o755)
  const started = await npmStart(t, { args: [`--script-shell=${shell}`] })
  t.match(started.output(), /exec-is-unknown.*not found/)
  await drains(t, started, started.npm.pid!, 'SIGTERM')
})

await t.test('SIGHUP to the server itself', { skip }, async t => {
  const started = await npmStart(t)
  const pid = Number(execFileSync('ps', ['-o', 'pid=,ppid=', '-g', String(started.npm.pid)], { encoding: 'utf8' }).trim().split('\n')
    .map(line => line.trim().split(/ +/)).find(([, parent]) => parent === String(started.npm.pid))![0])
  await drains(t, started, pid, 'SIGHUP')
  t.same(await started.exited, { code: 0, signal: null }, 'and ends with 0')
})

await t.test('where nothing was installed or built, one line says what to run', { skip }, async t => {
  const cases: Array<[name: string, installed: string[] | undefined, line: string]> = [
    ['a fresh clone', undefined, 'The dependencies are not installed. Run: npm ci'],
    ['npm ci --ignore-scripts', [], 'The server is not built. Run: npm run build'],
    ['npm ci --omit=dev', ['fastify'], 'The server is not built. Run: npm ci']
  ]
  for (const [name, installed, line] of cases) {
    const folder = clone(t)
    if (installed !== undefined) install(folder, ...installed)
    const { status, stderr } = spawnSync('npm', ['start', '--silent'], { cwd: folder, env: { PATH: process.env.PATH, HOME: folder }, encoding: 'utf8' })
    t.strictSame({ status, stderr }, { status: 1, stderr: `${line}\n` }, name)
  }
})

await t.test('npx in this folder, which prepares the package, builds nothing anew', { skip }, async t => {
  const folder = clone(t)
  install(folder)
  cpSync(new URL('scripts/prepare.js', root), join(folder, 'scripts', 'prepare.js'))
  writeFileSync(join(folder, 'scripts', 'build.js'), 'console.log(\'builds\')')
  mkdirSync(join(folder, 'dist'))
  const prepare = (command: string): string =>
    spawnSync(process.execPath, ['scripts/prepare.js'], { cwd: folder, env: { PATH: process.env.PATH, npm_command: command }, encoding: 'utf8' }).stdout
  t.match(prepare('exec'), /builds/, 'unless nothing was built')
  writeFileSync(join(folder, 'dist', 'server.js'), '')
  t.notMatch(prepare('exec'), /builds/)
  t.match(prepare('ci'), /builds/, 'an installation does')
})

const skipTerminal = skip !== false ? skip : spawnSync('script', ['--version']).status === 0 ? false : 'there is no script(1) that makes terminals'

await t.test('its terminal is closed: it drains, and ends with 0', { skip: skipTerminal }, async t => {
  const folder = temporaryFolder(t)
  const command = [process.execPath, ...serverCommand()].join(' ')
  // The shell receives the hang-up, and passes it on to the server.
  const terminal = spawn('script', ['-qfc', `trap 'kill -HUP $pid' HUP; ${command} & pid=$!; wait $pid; wait $pid; echo $? > ended`, '/dev/null'], {
    cwd: folder,
    env: { PATH: process.env.PATH, SHELL: '/bin/sh', PORT: '0', JWT_SECRET: SECRET, LOG_LEVEL: 'info', PAGE: 'off' },
    stdio: ['pipe', 'pipe', 'inherit']
  })
  t.teardown(() => { terminal.kill('SIGKILL') })
  let output = ''
  terminal.stdout.on('data', chunk => { output += String(chunk) })
  await eventually('the server listens', () => /listens on /.test(output), 60_000)
  const stream = await openEvents(t, `${/listens on (http:\/\/[\d.:]+)/.exec(output)![1]!}/api/sse`, { authorization: `Bearer ${mint('anna')}` })
  await stream.next('connected')
  terminal.kill('SIGKILL')
  t.match((await stream.next('disconnect')).data, { reason: 'shutdown' })
  await eventually('it has ended', () => existsSync(join(folder, 'ended')) && readFileSync(join(folder, 'ended'), 'utf8').includes('\n'))
  t.equal(readFileSync(join(folder, 'ended'), 'utf8'), '0\n')
})
