import type { Fault } from './oracle.js'
import type { WireRequest } from './wire.js'

/** The number of recent tokens that are looked for. */
const KEPT = 400

/** Searches a server's log for what must not be in it: tokens and errors. */
export class LogWatch {
  /** The findings since they were last taken. */
  readonly faults: Fault[] = []
  readonly #secrets = new Set<string>()

  /** From now on, the tokens of this request are secrets. */
  watch ({ target, headers }: Pick<WireRequest, 'target' | 'headers'>): void {
    for (const [, token = ''] of [target, ...headers.map(([, value]) => value)].join(' ').matchAll(/(eyJ[\w-]+\.[\w-]+\.[\w-]+)/g)) {
      const [, claims = '', signature = ''] = token.split('.')
      // Either would help a reader of the log.
      for (const secret of [claims.slice(0, 24), signature.slice(0, 24)]) if (secret.length === 24) this.#secrets.add(secret)
    }
    for (const secret of this.#secrets) {
      if (this.#secrets.size <= KEPT) break
      this.#secrets.delete(secret)
    }
  }

  read (line: string): void {
    for (const secret of this.#secrets) if (line.includes(secret)) this.faults.push({ kind: 'token in the log', detail: line.slice(0, 500) })
    if (/"level":[56]0/.test(line)) this.faults.push({ kind: `error in the log: ${/"msg":"([^"]*)"/.exec(line)?.[1] ?? ''}`, detail: line.slice(0, 1000) })
    // The start-up message is indented.
    if (!line.startsWith('{') && !/^( {2}\S.*)?$/.test(line)) this.faults.push({ kind: 'a line that is no log line', detail: line.slice(0, 500) })
  }
}
