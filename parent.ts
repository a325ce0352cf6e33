/** How often the parent is looked at, in milliseconds. */
const LOOK_MS = 500

/**
 * Calls back when the process that started this one is gone. `npm start` passes SIGTERM and SIGINT on; a SIGHUP or SIGKILL ends
 * npm alone, and would leave a server behind that nobody knows of, with its port. Looked for only below our own `npm start`:
 * elsewhere who starts a server and goes may want it to stay.
 */
export function onParentGone (gone: () => void, env: NodeJS.ProcessEnv = process.env): void {
  if (!isBelowNpmStart(env)) return
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent && exists(parent)) return
    clearInterval(timer)
    gone()
  }, LOOK_MS)
  timer.unref()
}

/** npm sets both, and so do pnpm and yarn. */
export const isBelowNpmStart = ({ npm_lifecycle_event: event, npm_package_name: name }: NodeJS.ProcessEnv): boolean =>
  event === 'start' && name === 'fastify-sse-chat'

/** Windows gives an orphan no other parent. */
function exists (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
