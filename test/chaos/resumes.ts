// npm run chaos:resumes -- [--streams 8000] [--missed 5]

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { gather, write } from './crowd.js'
import { openSqlite } from './database.js'
import { RawReader } from './raw-reader.js'
import { ServerProcess } from './server-process.js'
import { mint } from './token.js'

export interface ResumesOptions {
  streams: number
  /** Messages that are written while the streams are away. */
  missed: number
}

export interface ResumesReport {
  streams: number
  /** Server CPU of a resume, in microseconds: if nothing was missed, if something was, and while a writer continues. */
  nothingMissed: number
  somethingMissed: number
  whileWriting: number
  /** The same for opening a stream the first time, and for closing the streams of the dead process, per stream. */
  opening: number
  clearing: number
  failures: string[]
  memoryMiB: number
}

/** Conversations, each with this many users, each with this many streams. */
const USERS = 50
const PER_USER = 10
/** Connections that are opened at the same time. */
const AT_ONCE = 200
const PATIENCE_MS = 120_000

/** A server with as many streams as possible is killed and started again, and all of them resume. */
export async function runResumes ({ streams, missed }: ResumesOptions): Promise<ResumesReport> {
  const folder = mkdtempSync(join(tmpdir(), 'chaos-'))
  const file = join(folder, 'chat.db')
  const server = await ServerProcess.create({ DATABASE_URL: `file:${file}`, HEARTBEAT_MS: '60000' })
  let readers: RawReader[] = []
  const failures: string[] = []
  try {
    await server.start()
    // Every conversation has the same users.
    const userCount = Math.min(1000, Math.ceil(streams / PER_USER))
    const conversationIds: string[] = []
    for (let from = 0; from < userCount; from += USERS) conversationIds.push(await gather(server.port, Math.min(userCount, from + USERS), from))

    const openAll = async (from?: readonly RawReader[]): Promise<RawReader[]> => {
      const opened: RawReader[] = []
      for (let start = 0; start < streams; start += AT_ONCE) {
        const batch = Array.from({ length: Math.min(AT_ONCE, streams - start) }, (_, index) => {
          const user = (start + index) % userCount
          const lastEventId = from?.[start + index]?.lastId
          return new RawReader({
            port: server.port,
            token: tokens[user]!,
            conversationId: conversationIds[Math.floor(user / USERS)]!,
            ...(lastEventId === undefined ? {} : { lastEventId })
          })
        })
        opened.push(...batch)
        await eventually(() => batch.every(({ connected, closed }) => connected || closed))
      }
      return opened
    }
    const tokens = Array.from({ length: userCount }, (_, user) => mint(`reader${user}`, 86_400))

    /** Microseconds of the server's CPU for each stream. */
    const measured = async (work: () => Promise<void>): Promise<number> => {
      const before = server.cpuMicros
      await work()
      return Math.round((server.cpuMicros - before) / streams)
    }
    const database = openSqlite(file)
    const crash = async (): Promise<number> => {
      await server.kill()
      await eventually(() => readers.every(({ closed }) => closed))
      await server.start()
      // The streams of the dead process are closed first, so that this cost is separate from that of resuming.
      return await measured(async () => { while (await database.openStreams() > 0) await sleep(50) })
    }
    const judge = (what: string, behind: number): void => {
      const failed = readers.filter(reader => reader.problem !== undefined || reader.closed || reader.events < behind)
      if (failed.length > 0) failures.push(`${what}: ${failed.length} readers, such as ${failed[0]!.problem ?? `${failed[0]!.events} of ${behind} events, closed: ${String(failed[0]!.closed)}, ${failed[0]!.tail.slice(-200)}`}`)
    }
    const writeToAll = async (perSecond: number): Promise<void> => {
      await Promise.all(
        conversationIds.map(async conversationId => await write(server.port, conversationId, { count: missed, perSecond, bytes: 200 }))
      )
    }

    const opening = await measured(async () => { readers = await openAll() })
    judge('opening', 0)
    await writeToAll(50)
    await eventually(() => readers.every(({ events }) => events >= missed))
    judge('live', missed)

    const clearing = await crash()
    const nothingMissed = await measured(async () => { readers = await openAll(readers) })
    judge('nothing missed', 0)

    await crash()
    await writeToAll(50)
    const somethingMissed = await measured(async () => {
      readers = await openAll(readers)
      await eventually(() => readers.every(({ events, closed }) => events >= missed || closed))
    })
    judge('something missed', missed)

    await crash()
    const whileWriting = await measured(async () => {
      const writing = writeToAll(2)
      readers = await openAll(readers)
      await writing
      await eventually(() => readers.every(({ events, closed }) => events >= missed || closed))
    })
    judge('while somebody writes', missed)
    await database.close()
    return {
      streams, opening, clearing, nothingMissed, somethingMissed, whileWriting, failures, memoryMiB: Math.round(server.residentBytes / 2 ** 20)
    }
  } finally {
    for (const reader of readers) reader.close()
    await server.dispose()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Waits until the condition holds, or long enough: whoever judges the run finds what does not hold. */
async function eventually (isSo: () => boolean): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; !isSo() && Date.now() < deadline;) await sleep(10)
}

async function main (): Promise<void> {
  const { values } = parseArgs({ options: { streams: { type: 'string', default: '8000' }, missed: { type: 'string', default: '5' } } })
  const report = await runResumes({ streams: Number(values.streams), missed: Number(values.missed) })
  console.log(report)
  if (report.failures.length > 0) process.exitCode = 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
