import type { ConvergenceReport } from './run.js'

/** What a run did and found, on a few lines. */
export function describeReport ({ seed, operations, messages, snapshots, folds, events, kills, problems }: ConvergenceReport): string {
  return [
    `seed ${seed}: ${Object.entries(operations).map(([operation, count]) => `${operation} ${count}`).join(', ')}; ${kills} kills`,
    `${messages} messages; ${folds} times one of ${snapshots} snapshots was brought up to date, by ${events} events`,
    ...problems.map(problem => `  - ${problem}`),
    problems.length === 0 ? 'clean' : `${problems.length} problems`
  ].join('\n')
}
