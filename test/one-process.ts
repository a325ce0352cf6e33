import { readdirSync } from 'node:fs'
import { loadedFrom } from './programs.js'

const root = new URL('./', import.meta.url)

/**
 * Runs all suites of these folders in this process, one after the other: starting a process for each file takes longer
 * than most of the tests. Each suite can also be run on its own.
 */
export async function runSuites (...folders: string[]): Promise<void> {
  for (const folder of folders) {
    for (const file of readdirSync(new URL(`${folder}/`, root)).filter(name => name.endsWith('.test.ts')).sort()) {
      await import(loadedFrom(new URL(`${folder}/${file}`, root)).href)
    }
  }
}

/**
 * Runs the API's suites in an environment: the same tests on each database and bus (see `throwAwayStore` in
 * test/helper.ts).
 */
export async function runApiSuites (env: Record<string, string>): Promise<void> {
  Object.assign(process.env, env)
  await runSuites('routes')
}
