import { chatError, isChatError } from '../../errors.js'

/** What happens if a hook throws or takes too long: the call is answered 503, or goes on as if there were no hook. */
export type HookFailure = 'refuse' | 'allow'

/** How long a hook may take, in milliseconds. */
export const HOOK_TIMEOUT_MS = 2000

export interface HookLimits {
  timeoutMs: number
  failure: HookFailure
  /** Called with the error if the call goes on. */
  onError: (error: unknown) => void
}

/** Calls a hook. @returns undefined if it failed, and that does not matter. @throws a refusal of the hook, UNAVAILABLE */
export async function callHook<T> (name: string, hook: () => T | Promise<T>, { timeoutMs, failure, onError }: HookLimits): Promise<T | undefined> {
  try {
    return await inTime(async () => await hook(), timeoutMs)
  } catch (error) {
    if (isChatError(error, 'REFUSED')) throw error
    const cause = new Error(`${name} failed`, { cause: error })
    if (failure === 'refuse') throw chatError('UNAVAILABLE', { cause, retryAfter: 1 })
    onError(cause)
    return undefined
  }
}

async function inTime<T> (work: () => Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new Error(`No answer within ${timeoutMs} ms`)) }, timeoutMs)
  })
  return await Promise.race([work(), late]).finally(() => { clearTimeout(timer) })
}
