// Loaded before a test by scripts/test.js.

import hooks from 'node:async_hooks'
import { readFileSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'

// To tell which test an unhandled rejection belongs to, tap follows every promise. That takes an eighth of the CPU. Without it, such a
// rejection ends the file, and Node.js shows where it comes from.
hooks.createHook = () => {
  const none = { enable: () => none, disable: () => none }
  return none
}
syncBuiltinESMExports()

// When the process ends, it notes how many seconds of CPU it took, together with the processes that it started. Those are only known
// on Linux.

/** `_SC_CLK_TCK` of Linux, a second. */
const TICKS = 100

/** Fields 16 and 17 of /proc/self/stat; the second field, a name in parentheses, may contain spaces. */
function ofChildren () {
  let stat
  try { stat = readFileSync('/proc/self/stat', 'utf8') } catch { return 0 }
  const [user, system] = stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(13, 15)
  return (Number(user) + Number(system)) / TICKS
}

const folder = process.env['TEST_TIMES']
if (isMainThread && folder !== undefined) {
  process.once('exit', () => {
    const { user, system } = process.cpuUsage()
    writeFileSync(join(folder, String(process.pid)), String((user + system) / 1e6 + ofChildren()))
  })
}
