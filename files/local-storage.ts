import { randomBytes } from 'node:crypto'
import { close, constants, createReadStream, fstat, open, read, type Stats } from 'node:fs'
import { mkdir, open as openHandle, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { StorageError, type FileStorage, type OpenFile } from './storage.js'

const openFile = promisify(open)
const closeFile = promisify(close)
const statOf = promisify(fstat) as (fd: number) => Promise<Stats>
const readFrom = promisify(read)

/** Files are readable by the server's user only. Windows ignores these modes. */
const FOLDER_MODE = 0o700
/** Bytes that a download reads at once. */
const READ_BYTES = 256 * 1024

const SCRATCH = 'tmp'
const KEY = /^[a-z0-9-]{1,64}$/
/** Keys of files in the scratch folder: no row has such a key. */
const scratchKey = (name: string): string => `${SCRATCH}/${name}`

/**
 * Keeps files in a folder: `<folder>/<first two characters of the key>/<key>`. A file is written under another name, in `<folder>/tmp`, and
 * gets its own when it is on the disk, so what has a key is whole. Several nodes can share the folder.
 */
export class LocalStorage implements FileStorage {
  readonly scratch: string
  readonly #folder: string

  private constructor (folder: string) {
    this.#folder = folder
    this.scratch = join(folder, SCRATCH)
  }

  /** Creates the folder, unless it exists. @throws {StorageError} if it cannot be written */
  static async open (folder: string): Promise<LocalStorage> {
    const storage = new LocalStorage(resolve(folder))
    try {
      await mkdir(storage.scratch, { recursive: true, mode: FOLDER_MODE })
      const probe = join(storage.scratch, `probe-${randomBytes(8).toString('hex')}`)
      await writeFile(probe, '')
      await rm(probe)
    } catch (error) {
      throw new StorageError(`a folder that this server can write to (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`, { cause: error })
    }
    return storage
  }

  async put (key: string, path: string): Promise<void> {
    const target = this.#path(key)
    await synced(path)
    const folder = dirname(target)
    if (await mkdir(folder, { recursive: true, mode: FOLDER_MODE }) !== undefined) await syncedFolder(this.#folder)
    await rename(path, target)
    await syncedFolder(folder)
  }

  async open (key: string): Promise<OpenFile | undefined> {
    let fd: number
    try {
      fd = await openFile(this.#path(key), constants.O_RDONLY)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
    try {
      return new LocalFile(fd, (await statOf(fd)).size)
    } catch (error) {
      await closeFile(fd)
      throw error
    }
  }

  async delete (key: string): Promise<void> {
    await rm(this.#path(key), { force: true })
  }

  async * keys (): AsyncIterable<string[]> {
    for (const folder of await readdir(this.#folder, { withFileTypes: true })) {
      if (!folder.isDirectory()) continue
      const names = await readdir(join(this.#folder, folder.name)).catch(() => [])
      if (folder.name === SCRATCH) yield names.filter(name => KEY.test(name)).map(scratchKey)
      else yield names.filter(name => KEY.test(name) && name.startsWith(folder.name))
    }
  }

  /** Both times are of the clock that the folder has, which is another machine's if it is mounted. */
  async age (key: string): Promise<number | undefined> {
    try {
      const { mtimeMs } = await stat(this.#path(key))
      const now = join(this.scratch, '.now')
      await writeFile(now, 'x')
      return (await stat(now)).mtimeMs - mtimeMs
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  #path (key: string): string {
    const name = key.startsWith(`${SCRATCH}/`) ? key.slice(SCRATCH.length + 1) : key
    if (!KEY.test(name)) throw new Error('Not the key of a file')
    return join(this.#folder, name === key ? key.slice(0, 2) : SCRATCH, name)
  }
}

class LocalFile implements OpenFile {
  readonly size: number
  readonly #fd: number

  constructor (fd: number, size: number) {
    this.#fd = fd
    this.size = size
  }

  stream (start: number, end: number): Readable {
    return createReadStream('', { fd: this.#fd, start, end, highWaterMark: Math.min(READ_BYTES, end - start + 1) })
  }

  async bytes (): Promise<Buffer> {
    try {
      const buffer = Buffer.allocUnsafe(this.size)
      let length = 0
      while (length < this.size) {
        const { bytesRead } = await readFrom(this.#fd, buffer, length, this.size - length, length)
        if (bytesRead === 0) break
        length += bytesRead
      }
      return buffer.subarray(0, length)
    } finally {
      await this.close()
    }
  }

  async close (): Promise<void> {
    await closeFile(this.#fd)
  }
}

const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')

async function synced (path: string): Promise<void> {
  const file = await openHandle(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A new name is on the disk when its folder is. Windows cannot open folders, and does not need it. */
async function syncedFolder (path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await openHandle(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
