import { statSync, type BigIntStats } from 'node:fs'
import { isCutShort } from './cut-short.js'

export type FilesState =
  | 'intact'
  /** Nothing has the database's name any more. */
  | 'missing'
  /** Another file has it. */
  | 'replaced'
  /** It was emptied, as `> chat.db` does. Whatever is put into it later isn't what the open connections know. */
  | 'emptied'
  /** It was cut short, as by `truncate`: pages of it are gone. */
  | 'cut'
  /** The database is there; its write-ahead log or that one's index is not, or is another file. */
  | 'journalMissing' | 'journalReplaced'

/**
 * The files of an open SQLite database. SQLite goes on with files that were moved, replaced or deleted, since it has
 * them open: all that it then acknowledges is gone when the process ends. So they are compared with what has their names.
 *
 * A file is known by device and inode, as in SQLite itself. While a connection is open, SQLite never removes or replaces
 * the write-ahead log and its index, whoever else has the database open.
 */
export class SqliteFiles {
  readonly path: string
  readonly #database: string | undefined
  #journals: ReadonlyMap<string, string>
  /** Size when it was last looked at, in bytes. It shrinks only when somebody compacts it (VACUUM) or cuts it short. */
  #size = 0n
  #spoilt: 'emptied' | 'cut' | undefined

  /** Call it when a connection has read the database: the files are there then. */
  constructor (path: string) {
    this.path = path
    const stats = lookAt(path)
    this.#database = identityIn(stats)
    if (typeof stats === 'object') this.#size = stats.size
    this.#journals = this.#findJournals()
  }

  /** The write-ahead log was begun anew, by connections that were opened anew. */
  renewJournals (): void {
    this.#journals = this.#findJournals()
  }

  #findJournals (): Map<string, string> {
    return new Map([`${this.path}-wal`, `${this.path}-shm`].flatMap(path => {
      const identity = identityOf(path)
      return identity === undefined ? [] : [[path, identity] as const]
    }))
  }

  /** Of the database file alone: one call to the operating system. */
  databaseState (): FilesState {
    const stats = lookAt(this.path)
    const now = identityIn(stats)
    if (now === undefined) return 'missing'
    if (isOther(now, this.#database)) return 'replaced'
    if (typeof stats === 'object' && this.#spoilt === undefined) this.#seeSize(stats.size)
    return this.#spoilt ?? 'intact'
  }

  #seeSize (size: bigint): void {
    if (size === 0n) this.#spoilt = 'emptied'
    else if (size < this.#size && isCutShort(this.path)) this.#spoilt = 'cut'
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

const UNSEEN = 'unseen'

const isOther = (identity: string, known: string | undefined): boolean => identity !== known && identity !== UNSEEN && known !== UNSEEN

const identityOf = (path: string): string | undefined => identityIn(lookAt(path))

const identityIn = (stats: Looked): string | undefined => typeof stats === 'object' ? `${stats.dev}:${stats.ino}` : stats

type Looked = BigIntStats | typeof UNSEEN | undefined

/** Undefined: there is no such file. What else keeps it from being looked at is no sign that it is gone. */
function lookAt (path: string): Looked {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    return ['ENOTDIR', 'ESTALE'].includes((error as NodeJS.ErrnoException).code ?? '') ? undefined : UNSEEN
  }
}
