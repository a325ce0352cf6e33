import type { Readable } from 'node:stream'

/** A stored file that was opened for reading. Exactly one of its methods is called. */
export interface OpenFile {
  /** In bytes. */
  readonly size: number
  /** Reads from `start` to `end`, both included, and closes the file at the end, or when the stream is destroyed. */
  stream (start: number, end: number): Readable
  /** Reads all of it at once, and closes it. */
  bytes (): Promise<Buffer>
  /** Closes it without reading. */
  close (): Promise<void>
}

/**
 * Where the bytes of files are kept. The rows of `chat_files` say what is kept: a storage knows keys and bytes only. Every storage passes
 * the suite in test/files/storage-suite.ts.
 *
 * A key has 1 to 64 of the characters a-z, 0-9 and `-`. It is never taken from a request.
 */
export interface FileStorage {
  /** A folder of this machine for uploads that are being received. */
  readonly scratch: string
  /** Stores a file of the scratch folder, which is gone afterwards. It survives a power failure once this resolves. */
  put (key: string, path: string): Promise<void>
  /** Resolves to undefined if nothing is stored under the key. */
  open (key: string): Promise<OpenFile | undefined>
  /** Deletes a file. Whoever has it open may read on. What is not there is no error. */
  delete (key: string): Promise<void>
  /** All keys, in pages, in no order. What crashed uploads have left in the scratch folder is listed, too, with keys of its own. */
  keys (): AsyncIterable<string[]>
  /** Milliseconds since a file was last written, by the clock of the storage; undefined if there is none. */
  age (key: string): Promise<number | undefined>
}

/** The storage cannot be used. The message says what is wrong, in a few words. */
export class StorageError extends Error {
  override name = 'StorageError'
}
