import { readdirSync } from 'node:fs'

const root = new URL('../', import.meta.url)

/**
 * Runs the API's suites, which use SQLite by themselves, in another environment: the same tests, word for word, on the
 * other databases and buses (see `throwAwayStore` in test/helper.ts). One process for all of them: starting a dozen
 * costs more than the tests.
 */
export async function runApiSuites (env: Record<string, string>): Promise<void> {
  Object.assign(process.env, env)
  for (const folder of ['routes/', 'chat/']) {
    for (const file of readdirSync(new URL(folder, root)).filter(name => name.endsWith('.test.ts')).sort()) {
      await import(new URL(folder + file, root).href)
    }
  }
}
