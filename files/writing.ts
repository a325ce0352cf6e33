import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'

const BLOCK_BYTES = 64 * 1024

/** What was written. */
export interface Written {
  /** In bytes. */
  size: number
  /** In base64url. */
  sha256: string
}

/** Writes a file in blocks of 64 KiB, however small the pieces are that it gets. Holds one block in memory. */
export class BlockWriter {
  size = 0
  readonly #file: FileHandle
  readonly #hash = createHash('sha256')
  readonly #block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  #used = 0

  private constructor (file: FileHandle) {
    this.#file = file
  }

  /** Creates the file, which must not exist. */
  static async open (path: string): Promise<BlockWriter> {
    return new BlockWriter(await open(path, 'wx', 0o600))
  }

  async write (bytes: Uint8Array): Promise<void> {
    this.size += bytes.length
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + BLOCK_BYTES - this.#used)
      this.#block.set(piece, this.#used)
      this.#used += piece.length
      at += piece.length
      if (this.#used === BLOCK_BYTES) await this.#flush()
    }
  }

  async end (): Promise<Written> {
    await this.#flush()
    return { size: this.size, sha256: this.#hash.digest('base64url') }
  }

  async close (): Promise<void> {
    await this.#file.close()
  }

  async #flush (): Promise<void> {
    const block = this.#block.subarray(0, this.#used)
    this.#hash.update(block)
    for (let at = 0; at < block.length;) at += (await this.#file.write(block, at)).bytesWritten
    this.#used = 0
  }
}
