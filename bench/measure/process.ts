import { readFileSync, readdirSync } from 'node:fs'

/** Linux's USER_HZ, in which /proc counts: a hundredth of a second on every platform that Node.js runs on. */
const TICK_US = 10_000

/** CPU that a process has used so far (user and system, all of its threads), in microseconds. See proc(5). */
export function cpuMicros (pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the command in parentheses, and may hold anything
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_US
}

/** The memory that is a process's own share (PSS), in KiB. */
export function pssKiB (pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)![1])
}

/** The one child of a process: nginx serves in one. */
export function childOf (pid: number): number {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      if (stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] === String(pid)) return Number(name)
    } catch {
      // Gone in between
    }
  }
  throw new Error(`process ${pid} has no child`)
}
