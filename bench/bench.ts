import { execFileSync, fork } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { dropSchemas, postgresAnswers } from './data/databases.js'
import { median } from './measure/statistics.js'
import type { Figure, Report, Suite, Target } from './suite.js'

const here = import.meta.dirname
const SUITES = [
  'burst', 'single', 'fanout', 'rooms', 'lone', 'status', 'idle', 'opening', 'tables', 'files', 'webhooks', 'search', 'growing', 'start'
]

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, json: { type: 'string' }, help: { type: 'boolean', default: false } }
})

if (options.help || positionals.some(name => !SUITES.includes(name))) {
  process.stdout.write('npm run bench [-- suite …] [--quick] [--json file]\n\n')
  for (const name of SUITES) {
    const { default: suite } = await import(`./suites/${name}.js`) as { default: Suite }
    process.stdout.write(`  ${name.padEnd(8)} ${suite.summary}\n`)
  }
  process.exit(options.help ? 0 : 1)
}

const figures: Figure[] = []
const targets: Target[] = []
const skipped: string[] = []
const failures: string[] = []

prepare()
// Large databases, shared by the suites that want them
process.env.BENCH_DATA = mkdtempSync(join(tmpdir(), 'fastify-sse-chat-bench-'))
try {
  for (const name of positionals.length > 0 ? positionals : SUITES) await runSuite(name)
} finally {
  rmSync(process.env.BENCH_DATA, { recursive: true, force: true })
  if (await postgresAnswers()) await dropSchemas()
}
const [cpu] = cpus()
const memoryGiB = Math.round(totalmem() / 2 ** 30)
const machine = { cpu: cpu!.model.trim(), cores: cpus().length, memoryGiB, kernel: release(), node: process.version }
process.stdout.write(`\n${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node.js ${machine.node}\n`)
printTargets()
if (options.json !== undefined) {
  const report = { at: new Date().toISOString(), quick: options.quick, machine, figures, targets, skipped, failures }
  writeFileSync(options.json, JSON.stringify(report, null, 2))
}
process.exit(failures.length > 0 ? 1 : 0)

/** What is measured is what was built; the peers come with the first run. */
function prepare (): void {
  if (!existsSync(join(here, '..', 'dist', 'server.js'))) execFileSync('npm', ['run', 'build'], { cwd: join(here, '..'), stdio: 'inherit' })
  if (!existsSync(join(here, 'node_modules'))) {
    process.stdout.write('Installing the peers (bench/package.json)\n')
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock'], { cwd: here, stdio: 'inherit' })
  }
}

async function runSuite (name: string): Promise<void> {
  const { default: suite } = await import(`./suites/${name}.js`) as { default: Suite }
  process.stdout.write(`\n${name}: ${suite.summary}\n`)
  const child = fork(join(here, 'worker.ts'), [name, String(options.quick)])
  child.on('message', (report: Report) => { take(report) })
  const code = await new Promise<number | null>(resolve => child.once('exit', resolve))
  progress('')
  if (code !== 0) {
    failures.push(name)
    process.stdout.write('  the run is void: see above\n')
  }
}

function take (report: Report): void {
  if (report.kind === 'progress') return progress(report.text)
  progress('')
  if (report.kind === 'skipped') {
    skipped.push(report.text)
    process.stdout.write(`  skipped: ${report.text}\n`)
  } else if (report.kind === 'figure') {
    figures.push(report.figure)
    process.stdout.write(`  ${lineOf(report.figure)}\n`)
  } else {
    targets.push(report.target)
  }
}

function lineOf ({ system, name, unit, values }: Figure): string {
  const spread = `${short(Math.min(...values))} – ${short(Math.max(...values))}`
  return `${system.padEnd(18)} ${name.padEnd(34)} ${short(median(values)).padStart(9)} ${unit.padEnd(4)} (${spread}, ${values.length} runs)`
}

function printTargets (): void {
  process.stdout.write('\n')
  for (const { suite, text, value, limit, unit, met } of targets) {
    process.stdout.write(`  ${met ? 'met    ' : 'NOT MET'} ${suite.padEnd(8)} ${text.padEnd(58)} ${short(value).padStart(9)} ≤ ${short(limit)} ${unit}\n`)
  }
}

function short (value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(value < 1 ? 3 : 2)
}

/** One line that is written over; on a terminal only. */
function progress (text: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${text === '' ? '' : `  … ${text}`}`)
}
