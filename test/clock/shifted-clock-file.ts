import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const preload = fileURLToPath(new URL('shifted-clock.js', import.meta.url))

/** The wall clock of another process, which a test sets; see shifted-clock.js. */
export class ShiftedClock {
  readonly #folder = mkdtempSync(join(tmpdir(), 'chat-clock-'))
  readonly #file = join(this.#folder, 'offset')

  constructor (offsetMs = 0) {
    this.set(offsetMs)
  }

  /** Variables for the environment of that process. */
  get env (): { NODE_OPTIONS: string, TEST_CLOCK_FILE: string } {
    return { NODE_OPTIONS: `--import=${preload}`, TEST_CLOCK_FILE: this.#file }
  }

  /** From now on, the clock of the process is this many milliseconds ahead, or behind if negative. */
  set (offsetMs: number): void {
    writeFileSync(`${this.#file}.new`, String(offsetMs))
    renameSync(`${this.#file}.new`, this.#file)
  }

  dispose (): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
