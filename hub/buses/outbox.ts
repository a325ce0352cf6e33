/** More than this waiting to be sent means that the bus is stuck, and what waits is lost. */
export const OUTBOX_BYTES = 8 * 1024 * 1024

/**
 * Collects what is published, and sends all of one turn of the event loop together; what comes while a sending is under
 * way goes with the next.
 */
export class Outbox<Letter> {
  readonly #send: (letters: Letter[]) => Promise<unknown>
  #letters: Letter[] = []
  #bytes = 0
  #sending: Promise<void> | undefined

  /** `send` may reject: what it was given is lost then. */
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

  /** Resolves when nothing is under way. */
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
