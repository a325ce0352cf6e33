import { median } from './measure/statistics.js'

/** What one suite measures; runs in a process of its own, which is the load. */
export interface Suite {
  /** One line for the terminal. */
  summary: string
  run(context: Context): Promise<void>
}

/** One measured figure: every repeat's value. */
export interface Figure { suite: string, system: string, name: string, unit: string, values: number[] }

/** One target of the project, judged by figures of the same run. */
export interface Target { suite: string, text: string, value: number, limit: number, unit: string, met: boolean }

export type Report =
  | { kind: 'progress', text: string }
  | { kind: 'figure', figure: Figure }
  | { kind: 'target', target: Target }
  | { kind: 'skipped', text: string }

/** What a suite is told and tells. */
export class Context {
  readonly quick: boolean
  readonly #suite: string
  readonly #send: (report: Report) => void

  constructor (suite: string, quick: boolean, send: (report: Report) => void) {
    this.#suite = suite
    this.quick = quick
    this.#send = send
  }

  /** One of two numbers: for a whole run, or a quick one. */
  pick (whole: number, quick: number): number {
    return this.quick ? quick : whole
  }

  progress (text: string): void {
    this.#send({ kind: 'progress', text })
  }

  skip (text: string): void {
    this.#send({ kind: 'skipped', text })
  }

  /** Reports a figure. @returns its median */
  figure (system: string, name: string, unit: string, values: number[]): number {
    this.#send({ kind: 'figure', figure: { suite: this.#suite, system, name, unit, values } })
    return median(values)
  }

  /** Judges a target: at most the limit. */
  target (text: string, value: number, limit: number, unit = ''): void {
    this.#send({ kind: 'target', target: { suite: this.#suite, text, value, limit, unit, met: value <= limit } })
  }

  /** One repeat after the other. */
  async repeat<T> (system: string, once: () => Promise<T>, times = this.pick(5, 3)): Promise<T[]> {
    const results: T[] = []
    for (let index = 1; index <= times; index++) {
      this.progress(`${system}: ${index} of ${times}`)
      results.push(await once())
    }
    return results
  }
}
