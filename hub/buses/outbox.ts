/** Bytes that may wait to be sent. Beyond that the bus is stuck, and what waits is dropped. */
export const OUTBOX_BYTES = 8 * 1024 * 1024

/**
 * Collects what is published, and sends all of one turn of the event loop together. What is published while a batch is being
 * sent goes with the next batch.
 */
export class Outbox<Letter> {
  readonly #send: (letters: Letter[]) => Promise<unknown>
  #letters: Letter[] = []
  #bytes = 0
  #sending: Promise<void> | undefined

  /** If `send` rejects, its batch is lost. */
  constructor (send: (letters: Letter[]) => Promise<unknown>) {
    this.#send = send
  }

  put (letter: Letter, bytes: number): void {
    if (this.#bytes + bytes > OUTBOX_BYTES) this.clear()
    this.#letters.push(letter)
    this.#bytes += bytes
    this.#sending ??= this.#sendAll()
  }

  clear (): void {
    this.#letters = []
    this.#bytes = 0
  }

  /** Resolves when everything has been sent. */
  async flushed (): Promise<void> {
    await this.#sending
  }

  async #sendAll (): Promise<void> {
    await new Promise(resolve => setImmediate(resolve))
    while (this.#letters.length > 0) {
      const letters = this.#letters
      this.clear()
      await this.#send(letters).catch(() => {})
    }
    this.#sending = undefined
  }
}
