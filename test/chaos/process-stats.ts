import { readdirSync, readFileSync } from 'node:fs'

// What Linux reports about a process in /proc (proc(5)).

/** The length of a clock tick in /proc/<pid>/stat, in microseconds: USER_HZ is 100 everywhere. */
const TICK_US = 10_000

/** Resident memory, in bytes. */
export function residentBytes (pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN) * 1024
}

/** The peak of resident memory since `resetPeak`, in bytes. */
export function peakBytes (pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN) * 1024
}

export function descriptorCount (pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** CPU time of all threads, user and system, in microseconds. */
export function cpuMicros (pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name, in parentheses, may contain anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_US
}
