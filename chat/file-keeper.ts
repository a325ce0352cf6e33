import type { FileStorage } from '../files/storage.js'
import type { Database } from '../store/database.js'
import { deleteGoneFiles, expireFiles, findGoneFiles, findStorageKeys, hasExpiredFiles } from '../store/file-rows.js'
import type { Writer } from '../store/writer.js'
import { elapsedMs } from '../time.js'
import { fileKeyOf, keysOf } from './files.js'

/** Files that are deleted together. */
const STEP = 100
/** Keys that are looked up together. */
const KEYS = 500
/** How old bytes without a row have to be, in milliseconds. An upload may be about to write its row. */
const ORPHAN_MS = 3_600_000
/** How often the whole storage is listed, in milliseconds. */
const LISTING_MS = 600_000
/** A key is looked up twice, at least this many milliseconds apart: the clock of the storage may have stepped. */
const DOUBT_MS = 50_000
/** Maximum number of keys that wait for the second look. */
export const SUSPECTS_MAX = 10_000

/** Clears away the bytes of files that nobody can see any more. Each node does it; what one has begun, any other can end. */
export class FileKeeper {
  readonly #database: Database
  readonly #writer: Writer
  readonly #storage: FileStorage
  readonly #onError: (error: unknown) => void
  readonly #doubtMs: number
  /** Keys without a row, with when that was first seen. */
  readonly #suspects = new Map<string, number>()
  #listedAt = -Infinity

  constructor (database: Database, writer: Writer, storage: FileStorage, onError: (error: unknown) => void, doubtMs = DOUBT_MS) {
    this.#database = database
    this.#writer = writer
    this.#storage = storage
    this.#onError = onError
    this.#doubtMs = doubtMs
  }

  /** Deletes files that were given up or have expired: bytes first, then their rows. A crash in between repeats it. */
  async collect (): Promise<void> {
    const ticks = this.#database.clock.ticks()
    if (await hasExpiredFiles(this.#database, ticks)) await this.#writer.beside(async sql => { await expireFiles(sql, ticks) })
    for (let behind = ''; ;) {
      const gone = await findGoneFiles(this.#database, behind, STEP)
      const ids = (await Promise.all(gone.map(async ({ id, storageKey }) => await this.#deleted(keysOf(storageKey)) ? [id] : []))).flat()
      if (ids.length > 0) await this.#writer.beside(async sql => { await deleteGoneFiles(sql, this.#database.dialect, ids) })
      const last = gone.at(-1)
      if (last === undefined || gone.length < STEP) return
      behind = last.id
    }
  }

  /** Deletes bytes without a row that are an hour old: what crashed uploads have left, and restored backups. */
  async sweep (): Promise<void> {
    const due = [...this.#suspects].filter(([, since]) => elapsedMs() - since >= this.#doubtMs).map(([key]) => key)
    for (const key of await this.#withoutRow(due)) if (await this.#isOld(key)) await this.#deleted([key])
    for (const key of due) this.#suspects.delete(key)
    if (elapsedMs() - this.#listedAt < LISTING_MS) return
    this.#listedAt = elapsedMs()
    for await (const page of this.#storage.keys()) await this.#suspect(page)
  }

  async #suspect (page: readonly string[]): Promise<void> {
    for (let at = 0; at < page.length; at += KEYS) {
      for (const key of await this.#withoutRow(page.slice(at, at + KEYS))) {
        if (this.#suspects.size < SUSPECTS_MAX && !this.#suspects.has(key) && await this.#isOld(key)) this.#suspects.set(key, elapsedMs())
      }
    }
  }

  async #withoutRow (keys: readonly string[]): Promise<string[]> {
    if (keys.length === 0) return []
    const known = await findStorageKeys(this.#database, [...new Set(keys.map(fileKeyOf))])
    return keys.filter(key => !known.has(fileKeyOf(key)))
  }

  async #isOld (key: string): Promise<boolean> {
    return (await this.#storage.age(key) ?? 0) >= ORPHAN_MS
  }

  /** Whether they are deleted. What cannot be deleted now is tried again later. */
  async #deleted (keys: readonly string[]): Promise<boolean> {
    try {
      for (const key of keys) await this.#storage.delete(key)
      return true
    } catch (error) {
      this.#onError(error)
      return false
    }
  }
}
