// npm run chaos:slow-readers -- [--readers 1000] [--stopped 100] [--per-second 200] [--bytes 4096] [--seconds 60] [--budget 1048576]

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { gather, write } from './crowd.js'
import { RawReader } from './raw-reader.js'
import { ServerProcess } from './server-process.js'
import { mint } from './token.js'

export interface SlowReadersOptions {
  readers: number
  /** How many of the readers have stopped reading. */
  stopped: number
  perSecond: number
  /** The size of each text, in bytes. */
  bytes: number
  seconds: number
  /** STREAM_BUFFER_BYTES of the server. */
  budget: number
  onSample?: (seconds: number, mib: number) => void
}

export interface SlowReadersReport {
  sent: number
  delivered: number
  /** Readers that continued to read, but missed something or were closed. */
  failures: string[]
  /** The server's resident memory in MiB: before the streams, with all of them, and at its peak. */
  idleMiB: number
  openMiB: number
  peakMiB: number
  budgetsMiB: number
  curve: Array<{ seconds: number, mib: number }>
  /** Streams of stopped readers that the server has closed. */
  closed: number
  /** From the first message until the last reader had the last one. */
  seconds: number
  cpuMicrosPerDelivery: number
}

/** The number of streams of one user. */
const PER_USER = 10
/** How long the readers have to read the rest after the last message, in milliseconds. */
const PATIENCE_MS = 300_000
const MIB = 2 ** 20

/** Readers in a conversation with many messages, of whom some stop: the others miss nothing, and memory stays bounded. */
export async function runSlowReaders (options: SlowReadersOptions): Promise<SlowReadersReport> {
  const { readers: count, stopped, perSecond, bytes, seconds, budget } = options
  const folder = mkdtempSync(join(tmpdir(), 'chaos-'))
  const server = await ServerProcess.create({ DATABASE_URL: `file:${join(folder, 'chat.db')}`, STREAM_BUFFER_BYTES: String(budget) })
  const readers: RawReader[] = []
  try {
    await server.start()
    const userCount = Math.ceil(count / PER_USER)
    const conversationId = await gather(server.port, userCount)
    const idleMiB = server.residentBytes / MIB
    for (let index = 0; index < count; index++) {
      const reader = new RawReader({ port: server.port, token: mint(`reader${index % userCount}`), conversationId })
      readers.push(reader)
      if (index % 50 === 49) while (!reader.connected) await sleep(5)
    }
    while (readers.some(({ connected }) => !connected)) await sleep(10)
    const openMiB = server.residentBytes / MIB
    const quiet = readers.slice(0, stopped)
    const lively = readers.slice(stopped)
    for (const reader of quiet) reader.stopReading()
    const first = lively[0]!.seq

    const curve: Array<{ seconds: number, mib: number }> = []
    const startedAt = performance.now()
    const cpu = server.cpuMicros
    const sampling = setInterval(() => {
      const sample = { seconds: Math.round((performance.now() - startedAt) / 1000), mib: Math.round(server.residentBytes / MIB) }
      curve.push(sample)
      options.onSample?.(sample.seconds, sample.mib)
    }, 1000)
    const sent = await write(server.port, conversationId, { count: perSecond * seconds, perSecond, bytes })
    const last = first + perSecond * seconds
    const deadline = performance.now() + PATIENCE_MS
    while (lively.some(({ seq, closed }) => seq < last && !closed) && performance.now() < deadline) await sleep(50)
    clearInterval(sampling)
    const took = (performance.now() - startedAt) / 1000
    curve.push({ seconds: Math.round(took), mib: Math.round(server.residentBytes / MIB) })

    const delivered = lively.reduce((sum, { events }) => sum + events, 0)
    // The other end reports the end of a stopped reader's stream, because it reads nothing.
    for (const reader of quiet) reader.close()
    return {
      sent,
      delivered,
      failures: lively.flatMap((reader, index) => {
        const { problem, seq, closed, tail } = reader
        if (problem === undefined && seq === last) return []
        return [`reader ${index}: ${problem ?? `stands at ${seq} of ${last}`}${closed ? `, closed: ${tail.slice(-150)}` : ''}`]
      }),
      idleMiB: Math.round(idleMiB),
      openMiB: Math.round(openMiB),
      peakMiB: Math.max(...curve.map(({ mib }) => mib)),
      budgetsMiB: Math.round(count * budget / MIB),
      curve,
      closed: await tooSlow(server),
      seconds: Math.round(took),
      cpuMicrosPerDelivery: Math.round((server.cpuMicros - cpu) / delivered * 100) / 100
    }
  } finally {
    for (const reader of readers) reader.close()
    await server.dispose()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function tooSlow ({ origin }: ServerProcess): Promise<number> {
  const text = await (await fetch(`${origin}/metrics`)).text()
  return Number(/^chat_streams_too_slow_total (.*)$/m.exec(text)?.[1])
}

async function main (): Promise<void> {
  const { values } = parseArgs({
    options: {
      readers: { type: 'string', default: '1000' },
      stopped: { type: 'string', default: '100' },
      'per-second': { type: 'string', default: '200' },
      bytes: { type: 'string', default: '4096' },
      seconds: { type: 'string', default: '60' },
      budget: { type: 'string', default: '1048576' }
    }
  })
  const report = await runSlowReaders({
    readers: Number(values.readers),
    stopped: Number(values.stopped),
    perSecond: Number(values['per-second']),
    // A text has at most 4,000 characters.
    bytes: Math.min(Number(values.bytes), 4000),
    seconds: Number(values.seconds),
    budget: Number(values.budget),
    onSample: (seconds, mib) => { if (seconds % 5 === 0) console.error(`${seconds} s: ${mib} MiB`) }
  })
  const { curve, failures, ...figures } = report
  console.log(figures)
  console.log(`memory, MiB by second: ${curve.map(({ seconds, mib }) => `${seconds}:${mib}`).join(' ')}`)
  if (failures.length > 0) {
    console.log(`${failures.length} readers failed:\n${failures.slice(0, 10).join('\n')}`)
    process.exitCode = 1
  }
  if (report.peakMiB > report.openMiB + report.budgetsMiB) {
    console.log('memory went past the sum of the budgets')
    process.exitCode = 1
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
