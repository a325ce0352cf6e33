import type { IsolationReport } from './run.js'

/** What a run did and found, on a few lines. */
export function describeReport ({ seed, operations, conversations, events, received, heard, streams, probes, problems }: IsolationReport): string {
  return [
    `seed ${seed}: ${Object.entries(operations).map(([operation, count]) => `${operation} ${count}`).join(', ')}`,
    `${conversations} conversations, ${events} events; ${streams} streams got ${received} events and ${heard} typing and online statuses; ${probes} pairs of answers compared`,
    ...problems.map(problem => `  - ${problem}`),
    problems.length === 0 ? 'clean' : `${problems.length} problems; the first counts, the others may follow from it`
  ].join('\n')
}
