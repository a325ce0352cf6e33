import { renameSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ShiftedClock } from '../clock/shifted-clock-file.js'
import type { HarnessDatabase } from './database.js'
import type { Gate } from './gate.js'
import type { OwnDatabase } from './own-database.js'
import type { Rng } from './rng.js'
import type { ServerProcess } from './server-process.js'
import type { SmallDisk } from './small-disk.js'

export type FaultKind = 'kill' | 'killAtCommit' | 'terminate' | 'pause' | 'lock' | 'databaseAway' | 'busAway' | 'readOnly' | 'noConnections' | 'fileAway' | 'diskFull' | 'clockJump'

/** A fault of a process or of the database. */
export interface Fault {
  kind: FaultKind
  /** The time during which the process was well before it, in milliseconds: the time that a start takes depends on the machine. */
  atMs: number
  node: number
  /** How long it lasts, or how long the process is away. For a clock jump: how far the clock is off from then on. */
  ms: number
}

/** How often each kind of fault happens per minute; 0 disables it. */
export interface Rates {
  /** Half of them happen as soon as possible after a commit. */
  killsPerMinute: number
  terminationsPerMinute: number
  pausesPerMinute: number
  /** Another process holds the database's lock. */
  locksPerMinute: number
  databaseAwaysPerMinute: number
  busAwaysPerMinute: number
  /** PostgreSQL: sessions are ended and new ones are read-only, as after a failover to a standby. */
  readOnlysPerMinute: number
  /** PostgreSQL: sessions are ended and new ones are refused. */
  refusalsPerMinute: number
  /** SQLite: the file of the database is moved away for a while. */
  filesAwayPerMinute: number
  /** SQLite: the disk is full for a while. Needs root. */
  fullDisksPerMinute: number
  /** The wall clock of one node is set. */
  clockJumpsPerMinute: number
}

const SECONDS_30 = 30_000
const HOUR = 3_600_000
/** By how much clocks are wrong: each value is used once before they are drawn at random. */
const OFFSETS = [-SECONDS_30, HOUR, -HOUR, SECONDS_30]

const LONGEST_LOCK_MS = 8000
const LONGEST_AWAY_MS = 10_000
/** One of several nodes may be taken for dead, and return. */
const LONGEST_PAUSE_MS = 30_000

/** Draws all faults before the run starts. Each kind happens at least once. */
export function schedule (rng: Rng, durationMs: number, nodes: number, rates: Rates): Fault[] {
  const minutes = durationMs / 60_000
  const faults: Fault[] = []
  const add = (kind: FaultKind, perMinute: number, ms: () => number): void => {
    const count = perMinute === 0 ? 0 : Math.max(1, Math.round(perMinute * minutes))
    for (let left = count; left > 0; left--) {
      faults.push({ kind, atMs: rng.between(0.05, 0.9) * durationMs, node: rng.integer(0, nodes - 1), ms: ms() })
    }
  }
  const away = (): number => rng.between(0, 400)
  const longestLock = Math.min(LONGEST_LOCK_MS, durationMs / 6)
  const longestAway = Math.min(LONGEST_AWAY_MS, durationMs / 6)
  const longestPause = nodes > 1 ? Math.min(LONGEST_PAUSE_MS, durationMs / 4) : Math.min(3000, durationMs / 10)
  add('kill', rates.killsPerMinute / 2, away)
  add('killAtCommit', rates.killsPerMinute / 2, away)
  add('terminate', rates.terminationsPerMinute, away)
  add('pause', rates.pausesPerMinute, () => rng.between(1000, longestPause))
  // The first of them lasts as long as possible.
  const pause = faults.find(({ kind }) => kind === 'pause')
  if (pause !== undefined) pause.ms = longestPause
  // Most of them are short.
  add('lock', rates.locksPerMinute, () => 100 + (longestLock - 100) * rng.next() ** 3)
  add('databaseAway', rates.databaseAwaysPerMinute, () => 100 + (longestAway - 100) * rng.next() ** 2)
  add('busAway', rates.busAwaysPerMinute, () => 100 + (longestAway - 100) * rng.next() ** 2)
  add('readOnly', rates.readOnlysPerMinute, () => 100 + (longestAway - 100) * rng.next() ** 2)
  add('noConnections', rates.refusalsPerMinute, () => 100 + (longestAway - 100) * rng.next() ** 2)
  add('fileAway', rates.filesAwayPerMinute, () => 100 + (longestAway - 100) * rng.next())
  add('diskFull', rates.fullDisksPerMinute, () => 100 + (longestAway - 100) * rng.next())
  let jumps = 0
  add('clockJump', rates.clockJumpsPerMinute, () => OFFSETS[jumps++] ?? rng.pick([0, ...OFFSETS]))
  return faults.sort((a, b) => a.atMs - b.atMs)
}

export interface Death { at: number, position: number, atCommit: boolean }

/** What the faults act on, as far as a run has it. */
export interface Levers {
  /** Between the nodes and what they share. */
  database: Gate | undefined
  bus: Gate | undefined
  ownDatabase: OwnDatabase | undefined
  /** For SQLite. */
  file: string | undefined
  disk: SmallDisk | undefined
  /** The wall clocks of the nodes. */
  clocks: ShiftedClock[]
}

/** Carries out the schedule. */
export class Faults {
  readonly counts: Record<FaultKind, number> = {
    kill: 0,
    killAtCommit: 0,
    terminate: 0,
    pause: 0,
    lock: 0,
    databaseAway: 0,
    busAway: 0,
    readOnly: 0,
    noConnections: 0,
    fileAway: 0,
    diskFull: 0,
    clockJump: 0
  }

  readonly deaths: Death[] = []
  slowestTerminationMs = 0
  readonly #servers: readonly ServerProcess[]
  readonly #database: HarnessDatabase
  readonly #levers: Levers
  readonly #problem: (text: string) => void
  /** Faults that no start can overcome: how many there are now, and how many there were. */
  #refusing = 0
  #refused = 0

  constructor (servers: readonly ServerProcess[], database: HarnessDatabase, levers: Levers, problem: (text: string) => void) {
    this.#servers = servers
    this.#database = database
    this.#levers = levers
    this.#problem = problem
  }

  /** Resolves when all faults have happened, and every process was well for `durationMs`. */
  async run (faults: readonly Fault[], durationMs: number): Promise<void> {
    await Promise.all(this.#servers.map(async (server, node) => {
      let wellMs = 0
      // Faults of what all nodes share happen at the same time as the others.
      let shared: Promise<void> = Promise.resolve()
      for (const fault of faults.filter(fault => fault.node === node)) {
        await sleep(fault.atMs - wellMs)
        wellMs = fault.atMs
        this.counts[fault.kind]++
        if (fault.kind === 'lock') shared = shared.then(async () => { await this.#lock(fault.ms) })
        else if (fault.kind === 'databaseAway') shared = shared.then(async () => { await shutFor(this.#levers.database, fault.ms) })
        else if (fault.kind === 'busAway') shared = shared.then(async () => { await shutFor(this.#levers.bus, fault.ms) })
        else if (fault.kind === 'clockJump') this.#levers.clocks[node]!.set(fault.ms)
        else if (fault.kind === 'readOnly' || fault.kind === 'noConnections' || fault.kind === 'diskFull') shared = shared.then(async () => { await this.#refuse(fault.kind, fault.ms) })
        // A process that starts meanwhile would create another file.
        else if (fault.kind === 'fileAway') await (shared = shared.then(async () => { await this.#refuse('fileAway', fault.ms) }))
        else await this.#befall(server, fault)
      }
      await Promise.all([shared, sleep(durationMs - wellMs)])
    }))
  }

  async #befall (server: ServerProcess, { kind, ms }: Fault): Promise<void> {
    if (kind === 'pause') {
      server.signal('SIGSTOP')
      await sleep(ms)
      server.signal('SIGCONT')
      return
    }
    if (kind === 'terminate') await this.#terminate(server)
    else await this.#kill(server, kind === 'killAtCommit')
    await sleep(ms)
    await this.#start(server)
  }

  async #kill (server: ServerProcess, atCommit: boolean): Promise<void> {
    // If it is quick enough, the process is killed between a commit and its announcement.
    if (atCommit) await this.#database.waitForCommit(200)
    await server.kill()
    this.deaths.push({ at: Date.now(), position: await this.#database.position(), atCommit })
  }

  async #terminate (server: ServerProcess): Promise<void> {
    const { code, signal, ms } = await server.terminate()
    this.slowestTerminationMs = Math.max(this.slowestTerminationMs, ms)
    if (code !== 0 || ms > 10_000) this.#problem(`SIGTERM: ended with ${code ?? signal} after ${ms} ms`)
  }

  async #start (server: ServerProcess): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const refused = this.#refused
      try {
        return await server.start()
      } catch (error) {
        // The process reports the reason and ends, and its supervisor starts it again.
        if (this.#refusing > 0 || this.#refused > refused) {
          attempt--
          await sleep(200)
          continue
        }
        this.#problem(`start: ${(error as Error).message}`)
        if (attempt === 5) throw error
      }
    }
  }

  /** The database refuses to work, for reasons outside the server. */
  async #refuse (kind: FaultKind, ms: number): Promise<void> {
    this.#refusing++
    const end = await this.#beginRefusal(kind)
    await sleep(ms)
    await end()
    this.#refused++
    this.#refusing--
  }

  async #beginRefusal (kind: FaultKind): Promise<() => unknown> {
    const { ownDatabase, disk, file } = this.#levers
    if (kind === 'readOnly') return await ownDatabase!.makeReadOnly()
    if (kind === 'noConnections') return await ownDatabase!.refuseConnections()
    if (kind === 'diskFull') return disk!.fill()
    renameSync(file!, `${file!}.away`)
    return () => { renameSync(`${file!}.away`, file!) }
  }

  async #lock (ms: number): Promise<void> {
    const release = await this.#database.lock()
    await sleep(ms)
    await release()
  }
}

async function shutFor (gate: Gate | undefined, ms: number): Promise<void> {
  gate?.shut()
  await sleep(ms)
  gate?.open()
}
