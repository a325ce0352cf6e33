import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import type { Writable } from 'node:stream'
import { isatty } from 'node:tty'

/** A stream that writes log lines for people. */
export async function readableLog (): Promise<Writable> {
  const { default: pretty } = await import('pino-pretty')
  return pretty({ translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname', singleLine: true, sync: true })
}

const terminals = [0, 1, 2].filter(fd => isatty(fd))

/**
 * When its terminal was closed, the process goes on without one. A write to it would be an uncaught error, and Node.js aborts
 * at the end, when it wants to restore the terminal's modes and can't.
 */
export function leaveLostTerminal (): void {
  for (const fd of terminals) {
    if (isatty(fd)) continue
    closeSync(fd)
    // Takes the lowest descriptor that is free, which is this one
    openSync(devNull, 'r+')
  }
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
}
