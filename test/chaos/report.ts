import type { ProxyCounters } from './proxy.js'
import type { Fault, FaultKind } from './faults.js'

/** What a run did, and what it found. */
export interface Report {
  seed: string
  minutes: number
  nodes: number
  faults: Record<FaultKind, number>
  /** Kills after which the last commit had not been announced to anybody. */
  killsBeforeEmit: number
  proxy: ProxyCounters
  messages: number
  events: number
  /** Events that subscribers received. Each was compared with the log. */
  checked: number
  subscribers: number
  connections: number
  reasons: Record<string, number>
  calls: number
  broken: number
  unavailable: number
  slowestUnavailableMs: number
  slowestTerminationMs: number
  settledMs: number
  memory: { startMiB: number, endMiB: number }
  descriptors: { start: number, end: number }
  fellBehind: number
  gaps: number
  problems: string[]
  schedule: Fault[]
  errors: string[]
  log: string[]
}

const COLUMNS = ['seed', 'min', 'kills (at commit, before emit)', 'SIGTERM', 'pauses', 'locks', 'database, bus away', 'read-only, no connections', 'file away, disk full', 'clock jumps', 'cuts (half)', 'stalls', 'messages', 'events', 'events checked', 'resumes', '503', 'MiB', 'fds', 'result'] as const

export const tableHead = (): string => `| ${COLUMNS.join(' | ')} |\n|${COLUMNS.map(() => ' --- |').join('')}`

export function tableRow (report: Report): string {
  const { seed, minutes, faults, proxy, messages, events, checked, connections, unavailable, memory, descriptors, problems } = report
  return `| ${[
    seed, minutes.toFixed(1), `${faults.kill + faults.killAtCommit} (${faults.killAtCommit}, ${report.killsBeforeEmit})`, faults.terminate, faults.pause, faults.lock,
    `${faults.databaseAway}, ${faults.busAway}`, `${faults.readOnly}, ${faults.noConnections}`, `${faults.fileAway}, ${faults.diskFull}`, faults.clockJump,
    `${proxy.cuts} (${proxy.halfCloses})`, proxy.stalls, messages, events, checked, connections, unavailable,
    `${memory.startMiB} → ${memory.endMiB}`, `${descriptors.start} → ${descriptors.end}`, problems.length === 0 ? 'clean' : `${problems.length} problems`
  ].join(' | ')} |`
}

/** The other figures, on a few lines. */
export function details (report: Report): string {
  const { faults, proxy, reasons, calls, broken, slowestUnavailableMs, slowestTerminationMs, settledMs, subscribers, fellBehind, gaps } = report
  return [
    `faults: ${Object.entries(faults).map(([kind, count]) => `${kind} ${count}`).join(', ')}`,
    `${subscribers} subscribers; connections ended: ${Object.entries(reasons).map(([reason, count]) => `${reason} ${count}`).join(', ')}`,
    `proxy: ${Object.entries(proxy).map(([what, count]) => `${what} ${count as number}`).join(', ')}`,
    `${calls} calls, ${broken} broken off; slowest 503 ${slowestUnavailableMs} ms, slowest SIGTERM ${slowestTerminationMs} ms; all caught up ${settledMs} ms after the end; the last process's streams fell behind ${fellBehind} times, gaps filled ${gaps}`
  ].join('\n')
}

/** Everything that helps to find the cause. */
export function failure ({ seed, minutes, problems, schedule, errors, log }: Report): string {
  const shown = problems.slice(0, 40)
  return [
    `\n${problems.length} problems with seed ${seed} (repeat: npm run chaos -- --seed ${seed} --minutes ${minutes})`,
    ...shown.map(problem => `  - ${problem}`),
    ...(problems.length > shown.length ? [`  … and ${problems.length - shown.length} more`] : []),
    '\nWhat happened:',
    ...schedule.map(({ kind, atMs, node, ms }) => `  ${(atMs / 1000).toFixed(1).padStart(6)} s  ${kind} node ${node}, ${kind === 'clockJump' ? 'off by ' : ''}${Math.round(ms)} ms`),
    '\nThe first errors:',
    ...errors.map(line => `  ${line}`),
    '\nThe last log lines:',
    ...log.slice(-60).map(line => `  ${line}`)
  ].join('\n')
}
