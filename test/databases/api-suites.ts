import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const root = new URL('../', import.meta.url)

/** All of them together, in milliseconds. */
const PATIENCE_MS = 600_000

/**
 * Runs the API's suites, which use SQLite by themselves, in processes with another environment: the same tests, word for
 * word, on the other databases and buses (see `throwAwayStore` in test/helper.ts).
 */
export function runApiSuites (t: Test, env: Record<string, string>): void {
  t.setTimeout(PATIENCE_MS)
  t.jobs = 2
  for (const folder of ['routes/', 'chat/']) {
    for (const file of readdirSync(new URL(folder, root)).filter(name => name.endsWith('.test.ts')).sort()) {
      const path = fileURLToPath(new URL(folder + file, root))
      void t.spawn(process.execPath, ['--import=tsx', path], { env: { ...process.env, ...env }, timeout: PATIENCE_MS }, folder + file)
    }
  }
}
