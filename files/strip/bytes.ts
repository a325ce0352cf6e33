import type { FileHandle } from 'node:fs/promises'

const WINDOW = 64 * 1024

/** Reads a file from its beginning to its end, through a window. */
export class Bytes {
  position = 0
  readonly size: number
  readonly #file: FileHandle
  readonly #window = Buffer.allocUnsafe(WINDOW)
  #start = 0
  #length = 0

  constructor (file: FileHandle, size: number) {
    this.#file = file
    this.size = size
  }

  /** Returns the next bytes, at most 64 KiB, and moves behind them. Fewer at the end of the file. They are valid until the next call. */
  async take (length: number): Promise<Buffer> {
    await this.#fill(Math.min(length, WINDOW))
    const from = this.position - this.#start
    const taken = this.#window.subarray(from, Math.min(from + length, this.#length))
    this.position += taken.length
    return taken
  }

  /** Moves to the next pair of 0xff and a byte that `isWanted`, or to the end. */
  async seekMarker (isWanted: (code: number) => boolean): Promise<void> {
    while (this.position < this.size) {
      await this.#fill(2)
      let from = this.position - this.#start
      for (;;) {
        const at = this.#window.subarray(0, this.#length).indexOf(0xff, from)
        // The pair may be cut by the end of the window.
        if (at === -1 || at + 1 >= this.#length) {
          this.position = this.#start + (at === -1 ? this.#length : at)
          break
        }
        if (isWanted(this.#window[at + 1]!)) {
          this.position = this.#start + at
          return
        }
        from = at + 1
      }
      if (this.position === this.size - 1) this.position = this.size
    }
  }

  async #fill (length: number): Promise<void> {
    const from = this.position - this.#start
    if (from >= 0 && from + length <= this.#length) return
    this.#start = this.position
    this.#length = 0
    while (this.#length < WINDOW) {
      const { bytesRead } = await this.#file.read(this.#window, this.#length, WINDOW - this.#length, this.#start + this.#length)
      if (bytesRead === 0) break
      this.#length += bytesRead
    }
  }
}
