import { closeSync, fstatSync, openSync, readlinkSync, readSync, realpathSync, statSync, type BigIntStats } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isCutShort } from './cut-short.js'

export type FilesState =
  | 'intact'
  /** There is no file with the database's name. */
  | 'missing'
  /** Another file has its name. */
  | 'replaced'
  /** It was truncated, as by `> chat.db`. Whatever is written to it later is not what the open connections know. */
  | 'emptied'
  /** It was cut short, as by `truncate`: pages of it are gone. */
  | 'cut'
  /** The database is intact. Its write-ahead log, or the log's index, is missing or another file. */
  | 'journalMissing' | 'journalReplaced'
  /** The write-ahead log was cut short: transactions that were committed are gone. */
  | 'journalCut'

/**
 * The files of an open SQLite database. SQLite has them open, and goes on using them after they were moved, replaced or
 * deleted. Whatever it acknowledges then is lost when the process ends. So they are compared with the files that have their
 * names now.
 *
 * A file is identified by device and inode, as in SQLite itself. While a connection is open, SQLite never removes or replaces
 * the write-ahead log and its index, whoever else has the database open.
 */
export class SqliteFiles {
  readonly path: string
  /** Where its write-ahead log is. */
  readonly #realPath: string
  readonly #database: string | undefined
  #journals: ReadonlyMap<string, string>
  /** Size when it was last looked at, in bytes. It shrinks only when somebody compacts it (VACUUM) or cuts it short. */
  #size = 0n
  /** The write-ahead log as it was when it was last looked at. Its header changes when it is begun anew. */
  #journal: Journal | undefined
  #spoilt: 'emptied' | 'cut' | 'journalCut' | undefined

  /** Call it after a connection has read the database, since all files exist then. */
  constructor (path: string) {
    this.path = path
    this.#realPath = realPathOf(path)
    const stats = lookAt(path)
    this.#database = identityIn(stats)
    if (typeof stats === 'object') this.#size = stats.size
    this.#journals = this.#findJournals()
  }

  /** Closes the write-ahead log that was looked at. */
  close (): void {
    if (this.#journal !== undefined) closeSync(this.#journal.fd)
    this.#journal = undefined
  }

  /** Takes the current write-ahead log as the right one, because new connections have created it. */
  renewJournals (): void {
    this.close()
    this.#journals = this.#findJournals()
  }

  #findJournals (): Map<string, string> {
    return new Map([`${this.#realPath}-wal`, `${this.#realPath}-shm`].flatMap(path => {
      const identity = identityOf(path)
      return identity === undefined ? [] : [[path, identity] as const]
    }))
  }

  /** Looks at the database file and the length of its log, which takes a few microseconds. */
  databaseState (): FilesState {
    const stats = lookAt(this.path)
    const now = identityIn(stats)
    if (now === undefined) return 'missing'
    if (isOther(now, this.#database)) return 'replaced'
    if (typeof stats === 'object' && this.#spoilt === undefined) this.#seeSize(stats.size)
    if (this.#spoilt === undefined) this.#seeJournal()
    return this.#spoilt ?? 'intact'
  }

  /**
   * The log shrinks only when SQLite begins it anew, with another header (or none: then it is empty). It may have been cut and
   * written to behind the hole since.
   */
  #seeJournal (): void {
    this.#journal ??= openJournal(`${this.#realPath}-wal`)
    if (this.#journal === undefined) return
    const { size, header, fd } = this.#journal
    this.#journal = lookAtJournal(fd)
    const now = this.#journal
    if (now.size > 0 && (!isLogHeader(now.header) || (now.header === header && now.size < size))) this.#spoilt = 'journalCut'
  }

  #seeSize (size: bigint): void {
    if (size === 0n) this.#spoilt = 'emptied'
    else if (size < this.#size && isCutShort(this.#realPath)) this.#spoilt = 'cut'
    this.#size = size
  }

  state (): FilesState {
    const state = this.databaseState()
    if (state !== 'intact') return state
    const journals = [...this.#journals].map(([path, identity]) => ({ identity, now: identityOf(path) }))
    if (journals.some(({ identity, now }) => now !== undefined && isOther(now, identity))) return 'journalReplaced'
    return journals.some(({ now }) => now === undefined) ? 'journalMissing' : 'intact'
  }
}

/** The path by which SQLite names what it keeps beside a database: it follows symbolic links. */
export function realPathOf (path: string): string {
  try {
    return realpathSync(path)
  } catch { /* there is no such file, or what links to it leads nowhere */ }
  try {
    return resolve(dirname(path), readlinkSync(path))
  } catch {
    return path
  }
}

interface Journal {
  fd: number
  size: number
  /** In hexadecimal. */
  header: string
}

/** Size of the header of a write-ahead log, in bytes (SQLite's file format, section 4.1). */
const LOG_HEADER = 32

/** It is kept open. SQLite has no locks on it that closing would release. */
function openJournal (path: string): Journal | undefined {
  try {
    return lookAtJournal(openSync(path, 'r'))
  } catch {
    return undefined
  }
}

function lookAtJournal (fd: number): Journal {
  const header = Buffer.alloc(LOG_HEADER)
  const read = readSync(fd, header, 0, LOG_HEADER, 0)
  return { fd, size: fstatSync(fd).size, header: header.toString('hex', 0, read) }
}

const isLogHeader = (header: string): boolean => header === '' || /^377f068[23]/.test(header)

const UNSEEN = 'unseen'

const isOther = (identity: string, known: string | undefined): boolean => identity !== known && identity !== UNSEEN && known !== UNSEEN

const identityOf = (path: string): string | undefined => identityIn(lookAt(path))

const identityIn = (stats: Looked): string | undefined => typeof stats === 'object' ? `${stats.dev}:${stats.ino}` : stats

type Looked = BigIntStats | typeof UNSEEN | undefined

/** Undefined if there is no such file. Other errors do not mean that it is gone. */
function lookAt (path: string): Looked {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    return ['ENOTDIR', 'ESTALE'].includes((error as NodeJS.ErrnoException).code ?? '') ? undefined : UNSEEN
  }
}
