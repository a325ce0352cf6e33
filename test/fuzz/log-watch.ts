import type { Fault } from './oracle.js'
import type { WireRequest } from './wire.js'

/** So many of the newest tokens are looked for. */
const KEPT = 400

/** Reads a server's log for what must not be in it: tokens, and errors. */
export class LogWatch {
  /** What was found since they were last taken out. */
  readonly faults: Fault[] = []
  readonly #secrets = new Set<string>()

  /** From now on the tokens of this request are secrets. */
  watch ({ target, headers }: Pick<WireRequest, 'target' | 'headers'>): void {
    for (const [, token = ''] of [target, ...headers.map(([, value]) => value)].join(' ').matchAll(/(eyJ[\w-]+\.[\w-]+\.[\w-]+)/g)) {
      const [, claims = '', signature = ''] = token.split('.')
      // either would do for whoever reads the log
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
    // the welcome is indented
    if (!line.startsWith('{') && !/^( {2}\S.*)?$/.test(line)) this.faults.push({ kind: 'a line that is no log line', detail: line.slice(0, 500) })
  }
}
