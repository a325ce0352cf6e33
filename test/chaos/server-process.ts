import { spawn, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { cpuMicros, descriptorCount, residentBytes } from './process-stats.js'
import { compiledServer, isBuilt, programOf } from '../programs.js'
import { SECRET } from './token.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const LOG_LINES = 400
const START_MS = 60_000

/** The build if it is newer than all of its sources, else the sources. */
export const serverCommand = (): string[] => isBuilt() ? [join(root, 'dist', 'server.js')] : programOf('server.ts')

/** What starts quickest and does the same: the bundle of `npm test`, if there is one. */
export const quickServerCommand = (): string[] => compiledServer ?? serverCommand()

/** From here to there, systems give no port to connections that go out: one of those would take the port of a server while it is down. */
const PORTS = [10_000, 32_000] as const

/** A port that was free a moment ago, and that no connection takes by chance. */
export async function freePort (): Promise<number> {
  for (;;) {
    const server = createServer().listen(randomInt(...PORTS), '127.0.0.1')
    try {
      await once(server, 'listening')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue
      throw error
    }
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    return port
  }
}

const running = new Set<ChildProcess>()
// A run that is interrupted leaves nothing behind.
process.once('exit', () => { for (const child of running) child.kill('SIGKILL') })

export interface Exit { code: number | null, signal: NodeJS.Signals | null, ms: number }

/** The real server in its own process, always on the same port: killed, stopped, paused and started again. */
export class ServerProcess {
  readonly port: number
  readonly log: string[] = []
  #stoppedUntil = 0
  /** The first errors among the lines. */
  readonly errors: string[] = []
  starts = 0
  /** Starts that ended before the server listened. */
  failedStarts = 0
  /** Called with each line that the process writes. */
  onLine: (line: string) => void = () => {}
  readonly #env: Record<string, string>
  #child: ChildProcess | undefined
  #exited: Promise<Exit> | undefined

  constructor (port: number, env: Record<string, string>) {
    this.port = port
    this.#env = env
  }

  static async create (env: Record<string, string>): Promise<ServerProcess> {
    return new ServerProcess(await freePort(), env)
  }

  get origin (): string {
    return `http://127.0.0.1:${this.port}`
  }

  get running (): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  get pid (): number {
    if (this.#child?.pid === undefined) throw new Error('the server is not running')
    return this.#child.pid
  }

  get residentBytes (): number {
    return residentBytes(this.pid)
  }

  get descriptorCount (): number {
    return descriptorCount(this.pid)
  }

  get cpuMicros (): number {
    return cpuMicros(this.pid)
  }

  /** Starts it, and resolves when it listens. @throws when it ends before that */
  async start (): Promise<void> {
    const { PATH, HOME, TZ } = process.env
    const inherited = Object.fromEntries(Object.entries({ PATH, HOME, TZ }).filter(([, value]) => value !== undefined))
    const startedAt = Date.now()
    const child = spawn(process.execPath, quickServerCommand(), {
      cwd: root,
      env: { ...inherited, HOST: '127.0.0.1', PORT: String(this.port), JWT_SECRET: SECRET, LOG_LEVEL: 'warn', PAGE: 'off', ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    this.#child = child
    running.add(child)
    this.starts++
    this.#note(`start ${this.starts}, pid ${child.pid}`)
    this.#exited = once(child, 'exit').then(([code, signal]) => {
      running.delete(child)
      this.#note(`exit ${code ?? signal}`)
      return { code, signal, ms: Date.now() - startedAt } as Exit
    })
    const listening = new Promise<void>(resolve => {
      for (const stream of [child.stdout!, child.stderr!]) {
        createInterface({ input: stream }).on('line', line => {
          this.onLine(line)
          if (line.includes(' listens on ')) resolve()
          // The rest of the start-up message.
          if (line.trim() !== '' && !/^ {2}[A-Z]/.test(line)) this.#note(line)
        })
      }
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<string>(resolve => { timer = setTimeout(() => { resolve('does not listen in time') }, START_MS) })
    const outcome = await Promise.race([listening, late, this.#exited.then(({ code, signal }) => `ended with ${code ?? signal} before it listened`)])
    clearTimeout(timer)
    if (outcome === undefined) return
    this.failedStarts++
    throw new Error(`the server ${outcome}:\n${this.log.slice(-20).join('\n')}`)
  }

  /** Sends a signal. Has no effect if the process has ended. */
  signal (signal: NodeJS.Signals): void {
    if (this.running) this.#child!.kill(signal)
    if (signal === 'SIGSTOP') this.#stoppedUntil = Infinity
    else if (signal === 'SIGCONT') this.#stoppedUntil = Date.now()
  }

  /** Whether the process was stopped for a part of the time since an instant: nothing is answered then. */
  wasStoppedSince (instant: number): boolean {
    return this.#stoppedUntil > instant
  }

  /** Resolves when the process has ended. `ms` counts from this call. */
  async ended (): Promise<Exit> {
    const since = Date.now()
    if (this.#exited === undefined) throw new Error('the server was never started')
    return { ...await this.#exited, ms: Date.now() - since }
  }

  async kill (): Promise<void> {
    this.signal('SIGKILL')
    await this.ended()
  }

  /** Sends SIGTERM, and waits for the end. */
  async terminate (): Promise<Exit> {
    const ended = this.ended()
    this.signal('SIGTERM')
    return await ended
  }

  /** Ends it in any case, for teardown. */
  async dispose (): Promise<void> {
    if (this.#exited === undefined) return
    this.signal('SIGCONT')
    await this.kill()
  }

  #note (line: string): void {
    this.log.push(`${new Date().toISOString()} [${this.port}] ${line}`)
    if (line.includes('"level":50') && this.errors.length < 5) this.errors.push(this.log.at(-1)!)
    if (this.log.length > LOG_LINES) this.log.splice(0, this.log.length - LOG_LINES)
  }
}
