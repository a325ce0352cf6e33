/** How often the parent process is checked, in milliseconds. */
const LOOK_MS = 500

/**
 * Calls back when the parent process has exited. `npm start` passes SIGTERM and SIGINT on, but SIGHUP and SIGKILL end npm
 * alone, and would leave a server behind that holds its port. Only applies below this package's `npm start`: whoever else starts
 * a server and exits may want it to keep running.
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

/** Both variables are set by npm, pnpm and yarn. */
export const isBelowNpmStart = ({ npm_lifecycle_event: event, npm_package_name: name }: NodeJS.ProcessEnv): boolean =>
  event === 'start' && name === 'fastify-sse-chat'

/** Needed on Windows, where an orphan's parent id does not change. */
function exists (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
