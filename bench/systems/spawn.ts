import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '..', '..')

/** A folder for one run, removed with it. */
export function temporaryFolder (): { path: string, remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'fastify-sse-chat-bench-'))
  return { path, remove: () => { rmSync(path, { recursive: true, force: true }) } }
}

const running = new Set<ChildProcess>()
process.on('exit', () => { for (const child of running) child.kill('SIGKILL') })

/** Starts a program and waits for the line that says where it listens; its number is the first group of the pattern. */
export async function spawnServer (
  command: string, args: string[], env: Record<string, string>, pattern: RegExp
): Promise<{ child: ChildProcess, match: RegExpExecArray }> {
  const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return await new Promise((resolve, reject) => {
    let output = ''
    child.once('error', reject)
    child.once('exit', code => { reject(new Error(`${command} ${args.join(' ')} ended with ${code}`)) })
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString()
      const match = pattern.exec(output)
      if (match !== null) resolve({ child, match })
    })
  })
}

/** Where `BENCH_PROFILE` names a folder, servers write a CPU profile there when they end. */
export const profileArgs = (): string[] => process.env.BENCH_PROFILE === undefined
  ? []
  : ['--cpu-prof', `--cpu-prof-dir=${process.env.BENCH_PROFILE}`]

export async function end (child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill(process.env.BENCH_PROFILE === undefined ? signal : 'SIGTERM')
  await exit
}
