import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'
import { Type } from 'typebox'
import { chatError, isChatError } from '../errors.js'
import { fileName } from '../files/names.js'
import { discard, Intake, unlessAborted, type Draft } from '../files/intake.js'
import type { Thumbnails } from '../files/images.js'
import type { FileStorage, OpenFile } from '../files/storage.js'
import { troubleToRefusal } from '../files/trouble.js'
import { isoTime } from '../schemas/common.js'
import { FileId, FileUrlsBody, type UploadedFile } from '../schemas/files.js'
import type { Database } from '../store/database.js'
import { countFreeFiles, findKeptFile, findVisibleFiles, type FileRow } from '../store/file-rows.js'
import * as tables from '../store/tables.js'
import type { Command, Writer } from '../store/writer.js'
import { actorOf, type Acting } from './actor.js'
import { attachmentOf } from './attachments.js'
import { FileLinks, type Link, type Variant } from './file-links.js'
import { nonsense, type Gate } from './hooks/before.js'
import { timeOrderedId } from './ids.js'
import { assertPossible, assertValid } from './validation.js'

export interface FilesOptions {
  storage: FileStorage
  /** Undefined: images are not decoded, and have no thumbnails. */
  thumbnails: Thumbnails | undefined
  /** Maximum size of a file. Default: 25 MiB. */
  maxBytes?: number | undefined
  /** Types that are accepted, such as `image/*`. Default: all. */
  types?: readonly string[] | undefined
}

/** Default of the maximum size of a file, in bytes. */
export const FILE_BYTES_MAX = 26_214_400
/** Maximum number of files of one user that are uploaded and not attached. */
export const FREE_FILES_MAX = 100
/** How long a file is kept that is not attached, in milliseconds. */
export const FREE_FILE_MS = 86_400_000
/** When to try again if all of a user's files are still being uploaded, in milliseconds. */
const UPLOADING_MS = 60_000

/** A file to upload. */
export interface Upload {
  name: string
  /** Its bytes: a buffer, or a stream of buffers. */
  content: Uint8Array | AsyncIterable<Uint8Array>
}

/** A file that was opened for reading. */
export interface OpenedFile {
  name: string
  type: string
  /** Identifies the bytes. */
  tag: string
  /** Read it or close it. */
  content: OpenFile
}

const thumbnailKey = (key: string): string => `${key}-t`
/** The key of the file that a thumbnail, or the file itself, belongs to. */
export const fileKeyOf = (key: string): string => key.replace(/-t$/, '')
/** The keys of all that is stored of a file. */
export const keysOf = (key: string): string[] => [key, thumbnailKey(key)]

/** Files of messages: uploading, who may see them, downloading. What has become of them later is cleared away by file-keeper.ts. */
export class Files {
  readonly maxBytes: number
  readonly #database: Database
  readonly #writer: Writer
  readonly #gate: Gate
  readonly #storage: FileStorage
  readonly #intake: Intake
  readonly #links: FileLinks
  /** Number of uploads that are under way here, by user. */
  readonly #uploading = new Map<string, number>()
  readonly #running = new Set<Promise<unknown>>()
  readonly #stopped = new AbortController()

  constructor (database: Database, writer: Writer, gate: Gate, { storage, thumbnails, maxBytes = FILE_BYTES_MAX, types = [] }: FilesOptions) {
    this.maxBytes = maxBytes
    this.#database = database
    this.#writer = writer
    this.#gate = gate
    this.#storage = storage
    this.#intake = new Intake({ scratch: storage.scratch, maxBytes, types, thumbnails })
    this.#links = new FileLinks(database, writer)
  }

  /**
   * Stores a file of the user, who has 24 hours to attach it to a message. Nothing of it stays if this throws.
   * @param upload called once the user may upload: nothing is read before
   * @throws REFUSED, TOO_MANY_FILES, FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, FILE_INVALID, UNAVAILABLE, what the content throws, or the
   * signal's reason
   */
  async upload (acting: Acting, upload: Upload | (() => Promise<Upload>), options: { signal?: AbortSignal } = {}): Promise<UploadedFile> {
    const { signal = new AbortController().signal } = options
    this.#stopped.signal.throwIfAborted()
    const running = this.#upload(acting, upload, AbortSignal.any([signal, this.#stopped.signal])).finally(() => this.#running.delete(running))
    this.#running.add(running)
    return await running
  }

  /** Ends uploads that are under way, so that nothing stays of them. */
  async stop (): Promise<void> {
    this.#stopped.abort(chatError('UNAVAILABLE'))
    await Promise.allSettled(this.#running)
  }

  async #upload (acting: Acting, upload: Upload | (() => Promise<Upload>), signal: AbortSignal): Promise<UploadedFile> {
    const { userId } = actorOf(acting)
    const leave = await this.#enter(userId)
    try {
      const { name, content } = typeof upload === 'function' ? await unlessAborted(signal, upload) : upload
      const draft = await this.#intake.receive(name, content instanceof Uint8Array ? piecesOf(content) : content, signal)
      return await this.#store(userId, await this.#agreed(acting, draft))
    } finally {
      leave()
    }
  }

  /** Deletes a file of the user's that is not attached. @throws FILE_USED, NOT_FOUND */
  async delete (userId: string, fileId: string): Promise<void> {
    assertPossible(FileId, fileId)
    await this.#writer.write(deleteFile(userId, fileId))
  }

  /** Opens a file that the user may see. @throws NOT_FOUND */
  async open (userId: string, fileId: string, variant: Variant = 'file'): Promise<OpenedFile> {
    assertPossible(FileId, fileId)
    const [file] = await findVisibleFiles(this.#database, [fileId], userId, this.#database.clock.ticks())
    return await this.#open(file, variant)
  }

  /** Opens a file that the user may see, for reading from its beginning to its end. @throws NOT_FOUND */
  async read (userId: string, fileId: string, variant: Variant = 'file'): Promise<{ name: string, type: string, size: number, content: Readable }> {
    const { name, type, content } = await this.open(userId, fileId, variant)
    return { name, type, size: content.size, content: content.stream(0, content.size - 1) }
  }

  /** Opens the file of a signed URL. @throws NOT_FOUND */
  async openLink (fileId: string, link: Link): Promise<OpenedFile> {
    assertPossible(FileId, fileId)
    const variant = await this.#links.verify(fileId, link)
    if (variant === undefined) throw chatError('NOT_FOUND')
    return await this.#open(await findKeptFile(this.#database, fileId, this.#database.clock.ticks()), variant)
  }

  /** Signs URLs of those of these files that the user may see. */
  async links (userId: string, body: FileUrlsBody): Promise<Map<string, { file: Link, thumbnail: Link | null, expiresAt: string }>> {
    assertValid(FileUrlsBody, body)
    const { clock } = this.#database
    const visible = await findVisibleFiles(this.#database, body.fileIds, userId, clock.ticks())
    return new Map(await Promise.all(visible.map(async ({ id, thumbhash }) => {
      const { file, thumbnail, lifeMs } = await this.#links.sign(id)
      return [id, { file, thumbnail: thumbhash === null ? null : thumbnail, expiresAt: isoTime(clock.now() + lifeMs) }] as const
    })))
  }

  /** Counts an upload. @throws TOO_MANY_FILES */
  async #enter (userId: string): Promise<() => void> {
    const uploading = this.#uploading.get(userId) ?? 0
    this.#uploading.set(userId, uploading + 1)
    const leave = (): void => {
      const left = (this.#uploading.get(userId) ?? 0) - 1
      if (left > 0) this.#uploading.set(userId, left)
      else this.#uploading.delete(userId)
    }
    try {
      const ticks = this.#database.clock.ticks()
      const { count, firstExpiry } = await countFreeFiles(this.#database, userId, ticks)
      const waitMs = firstExpiry === null ? UPLOADING_MS : firstExpiry - ticks
      if (count + uploading >= FREE_FILES_MAX) throw chatError('TOO_MANY_FILES', { retryAfter: Math.ceil(waitMs / 1000) })
      return leave
    } catch (error) {
      leave()
      throw error
    }
  }

  /** Asks the host about a file that was received. It may give it another name. */
  async #agreed (acting: Acting, draft: Draft): Promise<Draft> {
    const { path, thumbnailPath, name, type, size } = draft
    try {
      const changed = await this.#gate.ask({
        action: 'file.upload', acting, conversationId: () => undefined, body: { name, type, size }, schema: FileInput
      })
      if (changed === undefined) return draft
      if (changed.type !== type || changed.size !== size) throw nonsense('file.upload')
      return { ...draft, name: fileName(changed.name) }
    } catch (error) {
      await discard(path, thumbnailPath)
      throw error
    }
  }

  /** The bytes are stored first: a row always has its bytes. Bytes that got no row are swept. */
  async #store (userId: string, { path, thumbnailPath, name, type, size, sha256, image }: Draft): Promise<UploadedFile> {
    const storageKey = randomBytes(16).toString('hex')
    let isWriting = false
    try {
      if (thumbnailPath !== null) await troubleToRefusal(this.#storage.put(thumbnailKey(storageKey), thumbnailPath))
      await troubleToRefusal(this.#storage.put(storageKey, path))
      isWriting = true
      const { width, height, thumbhash } = image ?? { width: null, height: null, thumbhash: null }
      return await this.#writer.write(addFile({
        id: timeOrderedId(), ownerId: userId, name, type, size, width, height, thumbhash, sha256, storageKey
      }))
    } catch (error) {
      await discard(path, thumbnailPath)
      // If the database was away, the row may have been written. What cannot be deleted is swept later.
      if (!isWriting || !isChatError(error, 'UNAVAILABLE')) {
        await Promise.allSettled(keysOf(storageKey).map(async key => { await this.#storage.delete(key) }))
      }
      throw error
    }
  }

  async #open (file: FileRow | undefined, variant: Variant): Promise<OpenedFile> {
    if (file === undefined || (variant === 'thumbnail' && file.thumbhash === null)) throw chatError('NOT_FOUND')
    const { name, type, sha256, storageKey } = file
    const content = await troubleToRefusal(this.#storage.open(variant === 'file' ? storageKey : thumbnailKey(storageKey)))
    if (content === undefined) throw chatError('NOT_FOUND')
    return variant === 'file'
      ? { name, type, tag: sha256, content }
      : { name: `${name}.webp`, type: 'image/webp', tag: `${sha256}-t`, content }
  }
}

/** What a hook is told of a file. */
const FileInput = Type.Object({ name: Type.String({ minLength: 1 }), type: Type.String(), size: Type.Integer() })

type NewFile = Omit<FileRow, 'state' | 'createdAt' | 'expiresAt'>

/** The user's files are counted again: other nodes may have taken some meanwhile. The lock of the user makes them take turns. */
function addFile (file: NewFile): Command<UploadedFile> {
  const free = { ownerId: file.ownerId, state: 'free' } as const
  return {
    needs (keys) {
      keys.user(file.ownerId)
      keys.rows(tables.files, free)
    },
    apply (unit) {
      const expiries = unit.rows(tables.files, free).flatMap(({ expiresAt }) => expiresAt !== null && expiresAt > unit.ticks ? [expiresAt] : [])
      if (expiries.length >= FREE_FILES_MAX) throw chatError('TOO_MANY_FILES', { retryAfter: Math.ceil((Math.min(...expiries) - unit.ticks) / 1000) })
      const row: FileRow = { ...file, state: 'free', createdAt: unit.now, expiresAt: unit.ticks + FREE_FILE_MS }
      unit.insertRow(tables.files, row)
      return { ...attachmentOf(row), expiresAt: isoTime(unit.now + FREE_FILE_MS) }
    }
  }
}

function deleteFile (ownerId: string, id: string): Command<void> {
  return {
    needs (keys) {
      keys.lockedRows(tables.files, { id, ownerId })
    },
    apply (unit) {
      const [file] = unit.rows(tables.files, { id, ownerId })
      if (file?.state === 'attached') throw chatError('FILE_USED')
      if (file?.state !== 'free' || file.expiresAt === null || file.expiresAt <= unit.ticks) throw chatError('NOT_FOUND')
      unit.changeRow(tables.files, file, { state: 'gone', expiresAt: null })
    }
  }
}

const PIECE_BYTES = 64 * 1024

async function * piecesOf (bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES)
}
