import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { callOnce } from '../chaos/api.js'
import { openHarnessDatabase, withSchema, type HarnessDatabase } from '../chaos/database.js'
import { Rng } from '../chaos/rng.js'
import { ServerProcess } from '../chaos/server-process.js'
import { mint } from '../chaos/token.js'
import { LogWatch } from './log-watch.js'
import { enoughOf, judge, type Fault } from './oracle.js'
import { makeRequest, type FuzzRequest } from './requests.js'
import { readRoutes, type Route } from './routes.js'
import { shrink } from './shrink.js'
import { bytesOf, exchange } from './wire.js'
import { makeWorld, type World } from './world.js'

export interface FuzzOptions {
  seed: string
  requests: number
  /** Sends only this request, to replay a finding. */
  only?: number
  /** Default: a SQLite file in a throw-away folder. On PostgreSQL, the run creates a schema of its own, and drops it. */
  databaseUrl?: string
  onProgress?: (text: string) => void
}

export interface Finding extends Fault {
  /** The number of the first request that showed it. */
  index: number
  /** How many requests showed the same. */
  count: number
  /** The smallest request found that shows it. */
  request: string
  replay: string
}

export interface FuzzReport {
  seed: string
  requests: number
  routes: number
  /** How often each status was returned. `none` means that the connection ended without a response. */
  statuses: Record<string, number>
  /** Routes that no request succeeded at: the fuzzer does not get past their checks. */
  neverSucceeded: string[]
  /** The most CPU that one request took (other than hashing a password) in milliseconds, and which request it was. */
  mostCpuMs: { ms: number, index: number }
  findings: Finding[]
}

/** This many requests share users and conversations. */
const WORLD_REQUESTS = 300
/** The most CPU that one request may take, in milliseconds, including garbage collection. */
const CPU_MS = 1000
/** The number of findings that are shrunk. Each costs some hundred requests. */
const SHRUNK = 10

/** Sends seeded requests to a real server process and judges every response. */
export async function runFuzz (options: FuzzOptions): Promise<FuzzReport> {
  const fuzzer = new Fuzzer(options)
  try {
    return await fuzzer.run()
  } finally {
    await fuzzer.dispose()
  }
}

class Fuzzer {
  readonly #options: FuzzOptions
  readonly #rng: Rng
  readonly #folder = mkdtempSync(join(tmpdir(), 'fuzz-'))
  readonly #databaseUrl: string
  readonly #findings = new Map<string, Finding>()
  readonly #log = new LogWatch()
  readonly #statuses: Record<string, number> = {}
  readonly #succeeded = new Set<string>()
  #mostCpuMs = { ms: 0, index: -1 }
  #server: ServerProcess | undefined
  #database: HarnessDatabase | undefined
  #world: World | undefined
  #worldNumber = -1

  constructor (options: FuzzOptions) {
    this.#options = options
    this.#rng = new Rng(options.seed)
    this.#databaseUrl = options.databaseUrl === undefined
      ? `file:${join(this.#folder, 'chat.db')}`
      : withSchema(options.databaseUrl, `fuzz_${randomBytes(6).toString('hex')}`)
  }

  async run (): Promise<FuzzReport> {
    const { seed, requests, only, onProgress } = this.#options
    const routes = await readRoutes()
    this.#server = await ServerProcess.create({
      DATABASE_URL: this.#databaseUrl, PAGE: 'on', ACCOUNTS: 'on', LOG_LEVEL: 'trace', CORS_ORIGIN: 'https://chat.example', MAX_STREAMS_PER_USER: '10000'
    })
    this.#server.onLine = line => { this.#log.read(line) }
    await this.#server.start()
    this.#database = await openHarnessDatabase(this.#databaseUrl)

    const indexes = only === undefined ? Array.from({ length: requests }, (_, index) => index) : [only]
    for (const index of indexes) {
      await this.#attempt(index, routes)
      if (index % 1000 === 999) onProgress?.(`${index + 1} requests, ${this.#findings.size} kinds of findings`)
    }
    await this.#lookBack(indexes.length)
    await this.#end()
    const reached = new Set(routes.map(({ name }) => name))
    return {
      seed,
      requests: indexes.length,
      routes: reached.size,
      statuses: this.#statuses,
      neverSucceeded: [...reached].filter(name => !this.#succeeded.has(name)),
      mostCpuMs: this.#mostCpuMs,
      findings: [...this.#findings.values()]
    }
  }

  async dispose (): Promise<void> {
    this.#world?.close()
    await this.#server?.dispose()
    await this.#database?.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #attempt (index: number, routes: readonly Route[]): Promise<void> {
    await this.#enterWorld(Math.floor(index / WORLD_REQUESTS))
    const request = makeRequest(routes, this.#world!, this.#rng.fork(`request ${index}`))
    this.#log.watch(request)
    const before = this.#server!.cpuMicros
    const fault = await this.#send(request, true)
    const ms = (this.#server!.cpuMicros - before) / 1000
    if (request.route?.url.includes('/auth/') !== true) {
      if (ms > this.#mostCpuMs.ms) this.#mostCpuMs = { ms, index }
      if (ms > CPU_MS) await this.#find(index, request, { kind: 'costly', detail: `${ms} ms of CPU` })
    }
    if (fault !== undefined) await this.#find(index, request, fault)
    if (index % 100 === 99) await this.#lookBack(index)
  }

  async #enterWorld (number: number): Promise<void> {
    if (number === this.#worldNumber) return
    this.#world?.close()
    this.#world = await makeWorld(this.#server!.port, number)
    this.#worldNumber = number
  }

  async #send (request: FuzzRequest, counts = false): Promise<Fault | undefined> {
    const result = await exchange(this.#server!.port, request, enoughOf(request))
    if (counts) {
      if (result.answers.length === 0) this.#statuses.none = (this.#statuses.none ?? 0) + 1
      for (const { status } of result.answers) {
        this.#statuses[status] = (this.#statuses[status] ?? 0) + 1
        if (status < 400 && request.route !== undefined) this.#succeeded.add(request.route.name)
      }
    }
    return judge(request, result)
  }

  /** Findings that come later than the response: in the log, in the process, and whether it still serves requests. */
  async #lookBack (index: number): Promise<void> {
    for (const fault of this.#log.faults.splice(0)) this.#note(index, fault, `one of the 100 requests before number ${index}`, this.#replay())
    if (!this.#server!.running) throw new Error(`the server has ended before request ${index}:\n${this.#server!.log.slice(-20).join('\n')}`)
    const { status } = await callOnce(this.#server!.port, 'GET', '/api/chat/me', { token: mint(this.#world!.callers[0]!) })
    if (status !== 200) this.#note(index, { kind: 'does not serve any more', detail: `GET /api/chat/me is answered ${status}` }, '', this.#replay())
  }

  async #find (index: number, request: FuzzRequest, fault: Fault): Promise<void> {
    const known = this.#findings.get(fault.kind)
    if (known !== undefined) {
      known.count++
      return
    }
    const { onProgress } = this.#options
    onProgress?.(`request ${index}: ${fault.kind}: ${fault.detail}`)
    // A hang takes time to show, and costs vary.
    const canShrink = this.#findings.size < SHRUNK && fault.kind !== 'hang' && fault.kind !== 'costly'
    const smallest = canShrink ? await shrink(request, async smaller => (await this.#send(smaller))?.kind === fault.kind) : request
    this.#note(index, fault, describe(smallest), this.#replay(index))
  }

  #note (index: number, fault: Fault, request: string, replay: string): void {
    const known = this.#findings.get(fault.kind)
    if (known === undefined) this.#findings.set(fault.kind, { ...fault, index, count: 1, request, replay })
    else known.count++
  }

  #replay (index?: number): string {
    const { seed, requests, databaseUrl } = this.#options
    return `npm run fuzz -- --seed ${JSON.stringify(seed)} ${index === undefined ? `--requests ${requests}` : `--only ${index}`}${databaseUrl === undefined ? '' : ' --database-url …'}`
  }

  async #end (): Promise<void> {
    const { code, ms } = await this.#server!.terminate()
    if (code !== 0 || ms > 10_000) this.#note(-1, { kind: 'SIGTERM', detail: `the server ended with ${code} after ${ms} ms` }, '', this.#replay())
  }
}

/** The bytes of a request, as far as a line can show them. The middle of a long one is left out. */
function describe (request: FuzzRequest): string {
  const text = JSON.stringify(bytesOf(request).toString('latin1')).replaceAll(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, '<token>')
  const short = text.length <= 900 ? text : `${text.slice(0, 600)} … ${text.length - 800} more … ${text.slice(-200)}`
  return request.copies > 1 ? `${request.copies} times in one go: ${short}` : short
}
