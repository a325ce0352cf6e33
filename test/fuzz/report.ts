import type { FuzzReport } from './run.js'

/** What a run did and found, on a few lines. */
export function describeReport ({ seed, requests, routes, statuses, neverSucceeded, mostCpuMs, findings }: FuzzReport): string {
  return [
    `seed ${seed}: ${requests} requests to ${routes} routes; at most ${mostCpuMs.ms} ms of CPU for one (number ${mostCpuMs.index})`,
    `answers: ${Object.entries(statuses).map(([status, count]) => `${status}: ${count}`).join(', ')}`,
    ...(neverSucceeded.length === 0 ? [] : [`never a success from: ${neverSucceeded.join(', ')}`]),
    ...findings.flatMap(({ kind, detail, index, count, request, replay }) => [
      `\n${kind} (${count} times, first in request ${index})`, `  ${detail}`, ...(request === '' ? [] : [`  sent: ${request}`]), `  replay: ${replay}`
    ]),
    findings.length === 0 ? 'clean' : `\n${findings.length} kinds of findings`
  ].join('\n')
}
