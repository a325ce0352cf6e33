// SQL by hand: the offset is read and written in one transaction.
import { readFileSync } from 'node:fs'
import { wallClockMs } from '../time.js'
import type { Database } from './database.js'
import { metaRow } from './meta.js'
import { machineMs, SqliteClock } from './shared-clock.js'
import type { Sql } from './sql.js'
import { select } from './table.js'
import * as tables from './tables.js'

/** Maximum time that a node's lease can be ahead, in milliseconds. One that seems further ahead is from before the machine's start. */
const LEASE_MAX_MS = 60_000

const meta = select(tables.meta, 'm', ['clockBoot', 'clockOffset'])

/**
 * Opens the clock that all processes on the file share. The offset in the file stays valid until the machine is restarted.
 * Then a new one is taken from the wall clock.
 */
export async function openSqliteClock (sql: Sql, transaction: Database['transaction']): Promise<SqliteClock> {
  const boot = bootId()
  // Usually the file has the offset, and no lock is needed.
  const offset = await keptOffset(sql, boot) ?? await transaction(async () => {
    const kept = await keptOffset(sql, boot)
    if (kept !== undefined) return kept
    const taken = wallClockMs() - Math.floor(machineMs())
    await sql.execute('UPDATE chat_meta SET clock_boot = ?, clock_offset = ? WHERE id = 1', boot, taken)
    return taken
  })
  return new SqliteClock(offset)
}

/** Returns the file's offset if it belongs to this start of the machine. */
async function keptOffset (sql: Sql, boot: string): Promise<number | undefined> {
  const [row] = await sql.query(`SELECT ${meta.columns} FROM chat_meta m WHERE m.id = 1`)
  const { clockBoot, clockOffset } = meta.read(metaRow(row))
  if (clockBoot !== boot) return undefined
  return boot !== '' || await isInUse(sql, clockOffset) ? clockOffset : undefined
}

/** Returns an id for this start of the machine; empty if unknown, as on all systems but Linux. */
function bootId (): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

/** Whether a running process uses this offset, which is valid then. */
async function isInUse (sql: Sql, offset: number): Promise<boolean> {
  const ticks = Math.floor(machineMs()) + offset
  const [node] = await sql.query('SELECT 1 FROM chat_nodes WHERE expires_at > ? AND expires_at <= ?', ticks, ticks + LEASE_MAX_MS)
  return node !== undefined
}
