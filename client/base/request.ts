import { onAbort, reasonOf } from './abort.js'
import { backoff } from './backoff.js'
import { baseUrlOf } from './base-url.js'
import { ChatError, errorOf, isForeign, networkError } from './errors.js'
import { exchange, jsonOf } from './exchange.js'
import type { ServiceOptions } from '../options.js'
import type { createReach, Reach } from './reach.js'
import { LONGEST_TIMEOUT_MS, platform, type FormPart } from './platform.js'
import { resolveToken } from './token.js'
import { xhrFetch } from './xhr.js'

export interface CallOptions {
  /** Aborting rejects the call with the signal's reason. */
  signal?: AbortSignal | undefined
  /**
   * The conversation of the message, for calls that name only a message. The call then keeps its order among the other
   * calls that change this conversation.
   */
  conversationId?: string | undefined
}

export interface RequestOptions extends ServiceOptions {
  /** How often a call that is safe to repeat is retried. Default: 4. */
  maxRetries?: number | undefined
  /** The delay before the n-th retry is random, up to base · 2ⁿ⁻¹. Default: 500 ms. */
  retryBaseMs?: number | undefined
  /** The longest delay before a retry. If the server asks for a longer one, the call fails. Default: 30,000 ms. */
  retryCapMs?: number | undefined
  /** How long one attempt may take. Default: 30,000 ms. */
  timeoutMs?: number | undefined
}

export interface Call extends CallOptions {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  body?: unknown
  /** A file that is sent as a form, instead of `body`, for as long as it takes. */
  form?: { file: FormPart, name: string, onProgress?: ((sent: number) => void) | undefined }
  /** Whether repeating the call has no further effect. Default: true for GET, PUT and DELETE. */
  idempotent?: boolean
  /** Whether a 404 after an attempt without an answer says that this attempt succeeded: what it removed cannot be found. */
  removes?: boolean
  /** These two override the client's options. */
  maxRetries?: number
  timeoutMs?: number
}

/** Makes a call and resolves to the body of the response. @throws ChatError, or the signal's reason */
export type Request = <T>(call: Call) => Promise<T>

/** The service refused the call before it did anything: any call is safe to repeat. */
const untouched = (error: ChatError) => error.statusCode === 429
/** No response, or one that says that another server might answer, or one that the service did not write. */
const unanswered = (error: ChatError) => {
  const { code, statusCode } = error
  return code === 'NETWORK' || code === 'TIMEOUT' || statusCode === 502 || statusCode === 503 || statusCode === 504 || isForeign(error)
}

/** Makes the function that makes all calls: with a token, a time limit for each attempt, and retries. */
export function createRequest (options: RequestOptions, reach?: ReturnType<typeof createReach>): Request {
  const { token: source, maxRetries = 4, retryBaseMs = 500, retryCapMs = 30_000, timeoutMs = 30_000 } = options
  const baseUrl = baseUrlOf(options)

  async function attempt (call: Call, fresh: boolean): Promise<unknown> {
    throwIfAborted(call.signal)
    const { form } = call
    const onProgress = form?.onProgress ?? (() => {})
    // The global fetch cannot say how much it has sent.
    const xhr = form === undefined || options.fetch !== undefined ? undefined : platform.XMLHttpRequest
    const fetch = xhr === undefined ? options.fetch ?? platform.fetch : xhrFetch(xhr, onProgress)
    if (fetch === undefined) throw new ChatError('NETWORK', 'There is no fetch here: hand one in')
    const abort = new AbortController()
    const { signal } = abort
    const stop = onAbort(call.signal, () => { abort.abort(call.signal?.reason) })
    const limitMs = form === undefined ? Math.min(call.timeoutMs ?? Infinity, timeoutMs) : LONGEST_TIMEOUT_MS
    const timer = setTimeout(() => abort.abort(new ChatError('TIMEOUT', `No answer within ${limitMs} ms`)), Math.min(limitMs, LONGEST_TIMEOUT_MS))
    try {
      // A token function that hangs must not block the caller or the next attempt.
      const token = await Promise.race([resolveToken(source, fresh), aborted(signal)])
      const headers: Record<string, string> = token === '' ? {} : { Authorization: `Bearer ${token}` }
      if (call.body !== undefined) headers['Content-Type'] = 'application/json'
      const response = await exchange((url, init) => fetch(url, init), `${baseUrl}${call.path}`, {
        method: call.method,
        headers,
        ...(form !== undefined ? { body: formOf(form) } : call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        signal
      })
      if (response.status === 204) return undefined
      if (response.status < 200 || response.status > 299) throw await errorOf(response, signal)
      onProgress(1)
      return await jsonOf(response, signal)
    } catch (error) {
      if (error instanceof ChatError) throw error
      throw networkError(signal.reason ?? error)
    } finally {
      clearTimeout(timer)
      stop()
    }
  }

  return async function request<T> (call: Call): Promise<T> {
    const idempotent = call.idempotent ?? (call.method === 'GET' || call.method === 'PUT' || call.method === 'DELETE')
    let refused = false
    let unsure = false
    for (let retries = 0; ;) {
      try {
        const answer = await attempt(call, refused) as T
        reach?.set(true)
        return answer
      } catch (thrown) {
        throwIfAborted(call.signal)
        const error = networkError(thrown)
        reach?.set(!unanswered(error))
        if (error.statusCode === 401 && !refused && typeof source === 'function') {
          refused = true
          continue
        }
        if (unsure && call.removes === true && error.statusCode === 404 && !isForeign(error)) return undefined as T
        const leastMs = error.retryAfterMs ?? 0
        const waitMs = Math.max(leastMs, backoff(retries, retryBaseMs, retryCapMs))
        const repeat = untouched(error) || (idempotent && unanswered(error))
        if (!repeat || retries >= (call.maxRetries ?? maxRetries) || waitMs > retryCapMs) throw error
        unsure ||= !untouched(error)
        retries++
        await wait(leastMs, call.signal)
        await wait(waitMs - leastMs, call.signal, unanswered(error) ? reach : undefined)
      }
    }
  }
}

/** A form, typed as what `fetch` takes in any case. */
function formOf ({ file, name }: NonNullable<Call['form']>): string {
  const { FormData } = platform
  if (FormData === undefined) throw new ChatError('NETWORK', 'There is no FormData here')
  const form = new FormData()
  // React Native's description of a file has its name.
  if (file.uri === undefined) form.append('file', file, name)
  else form.append('file', { ...file, name })
  return form as unknown as string
}

/** @throws the signal's reason */
function throwIfAborted (signal?: AbortSignal): void {
  if (signal?.aborted === true) throw reasonOf(signal)
}

/** Rejects when the signal is aborted. */
const aborted = (signal: AbortSignal) => new Promise<never>((_resolve, reject) => {
  onAbort(signal, () => { reject(signal.reason) })
})

/** Waits, with `reach` at most until other calls are answered. @throws the signal's reason */
async function wait (ms: number, signal?: AbortSignal, reach?: Reach): Promise<void> {
  if (ms <= 0 || reach?.ok === true) return
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer)
      stop()
      stopFollowing?.()
      resolve()
    }
    const timer = setTimeout(done, Math.min(ms, LONGEST_TIMEOUT_MS))
    const stop = onAbort(signal, done)
    const stopFollowing = reach?.follow(() => { if (reach.ok) done() })
  })
  throwIfAborted(signal)
}
