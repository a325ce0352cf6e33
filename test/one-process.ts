import { readdirSync } from 'node:fs'
import t from 'tap'
import { testLoadedFrom } from './programs.js'

const root = new URL('./', import.meta.url)

const ENDING = '.test.ts'

/** The names of a folder's suites: of `routes/sse.test.ts` it is `sse`. */
export const suitesOf = (folder: string): string[] =>
  readdirSync(new URL(`${folder}/`, root)).filter(name => name.endsWith(ENDING)).map(name => name.slice(0, -ENDING.length)).sort()

/** Every second one. Suites wait most of their time, so that two processes with half of them each take half as long. */
export const halfOf = (suites: string[], half: 1 | 2): string[] => suites.filter((_, i) => i % 2 === half - 1)

/**
 * Runs suites in this process, one after the other: starting a process for each file takes longer than most of the tests. Each
 * suite can also be run on its own. The environment says which database and bus they have (see `throwAwayStore` in test/helper.ts).
 * Call it once in a process, with the names of each folder's suites.
 */
export async function runSuites (suites: Record<string, string[]>): Promise<void> {
  // Once something is to be done at the end, tap ends as soon as no test is left: a suite that awaits its tests would be the last one.
  const { teardown, setTimeout } = t
  const atEnd: Array<Parameters<typeof teardown>[0]> = []
  t.teardown = callback => { atEnd.push(callback) }
  // A suite's own limit would end all of them.
  t.setTimeout = () => {}
  for (const [folder, names] of Object.entries(suites)) {
    for (const name of names) await import(testLoadedFrom(`test/${folder}/${name}${ENDING}`).href)
  }
  t.setTimeout = setTimeout
  t.teardown = teardown
  for (const callback of atEnd) t.teardown(callback)
}
