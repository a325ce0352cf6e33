import { chatError } from '../errors.js'
import type { FilesState, SqliteFiles } from './sqlite-files.js'

export interface FileGuardOptions {
  /** Called once with what has happened to the files and what to do about it, and once when they are back. */
  onTrouble: (message: string) => void
  /** Closes all connections and opens new ones, because the write-ahead log was deleted while the database is intact. */
  renew: () => Promise<void>
  /** Whether a transaction is under way. */
  isBusy: () => boolean
}

/** The database's files are not the ones that the connections have open. */
class DatabaseFileError extends Error {
  override name = 'DatabaseFileError'
  readonly code = 'DATABASE_FILE'
}

const RESTORE = 'Nothing is read or written: stop all programs that use it, put a copy of it back in place of it ' +
  'and of the files that end in -wal and -shm, and start the server again.'

const told: Record<Exclude<FilesState, 'intact' | 'journalMissing'>, (path: string) => string> = {
  missing: path => `The database file ${path} was moved or deleted. Nothing is read or written until it is back: move it there again, with the files that end in -wal and -shm.`,
  replaced: path => `Another file stands where the database file ${path} was. It isn't used: restart the server to use it, or move the file that was there back.`,
  emptied: path => `The database file ${path} was emptied. ${RESTORE}`,
  cut: path => `The database file ${path} was cut short. ${RESTORE}`,
  journalCut: path => `The write-ahead log ${path}-wal was cut short, and with it what was written last. Nothing is read or written: stop all programs that use the database, and start the server again, or put a copy back.`,
  journalReplaced: path => `The files ${path}-wal or ${path}-shm were replaced while they were in use. Nothing is read or written: stop all programs that use the database, and start the server again.`
}

/**
 * Refuses the use of a SQLite database while its files are not the ones that the connections have open: whatever was
 * acknowledged then would be lost when the process ends.
 */
export class FileGuard {
  readonly #files: SqliteFiles
  readonly #options: FileGuardOptions
  #state: FilesState = 'intact'
  #renewing: Promise<void> | undefined

  constructor (files: SqliteFiles, options: FileGuardOptions) {
    this.#files = files
    this.#options = options
  }

  /** Checks all files. If only the write-ahead log is gone, writes its content to the database and goes on. */
  async check (): Promise<void> {
    await this.#renewing
    this.#see(this.#files.state())
    if (this.#state !== 'journalMissing' || this.#options.isBusy()) return
    await (this.#renewing ??= this.#renew().finally(() => { this.#renewing = undefined }))
  }

  /** Costs nothing if the last check found the files intact. @throws UNAVAILABLE */
  async assertIntact (): Promise<void> {
    if (this.#state === 'intact' && this.#renewing === undefined) return
    await this.check()
    this.#assert()
  }

  /** Checks the database file itself, and the length of its log, before each commit. @throws UNAVAILABLE */
  assertDatabase (): void {
    const state = this.#files.databaseState()
    if (state !== 'intact') this.#see(state)
    this.#assert()
  }

  /** The file lacks pages, and nothing more may be written to it. */
  get isCutShort (): boolean {
    return this.#state === 'cut'
  }

  /** Closes the files when no renewal is under way. */
  async stop (): Promise<void> {
    await this.#renewing
    this.#files.close()
  }

  async #renew (): Promise<void> {
    try {
      await this.#options.renew()
      this.#files.renewJournals()
      this.#see(this.#files.state())
      this.#options.onTrouble(`The write-ahead log of ${this.#files.path} was removed while it was in use. What was in it was written to the database, and a new one was begun.`)
    } catch (error) {
      this.#options.onTrouble(`The write-ahead log of ${this.#files.path} was removed while it was in use, and no new one could be begun: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  #see (state: FilesState): void {
    if (state === this.#state) return
    if (state !== 'intact' && state !== 'journalMissing') this.#options.onTrouble(told[state](this.#files.path))
    else if (this.#state !== 'journalMissing' && state === 'intact') this.#options.onTrouble(`The database file ${this.#files.path} is back.`)
    this.#state = state
  }

  #assert (): void {
    if (this.#state === 'intact' || this.#state === 'journalMissing') return
    throw chatError('UNAVAILABLE', { cause: new DatabaseFileError(told[this.#state](this.#files.path)), retryAfter: 2 })
  }
}
