import { onAbort, reasonOf } from './abort.js'
import type { BodyReader, FetchInit, FetchLike, FetchResponse } from './platform.js'

/** Ends an answer that nobody reads on: its connection would stay open. */
async function cancel (reader: BodyReader | null): Promise<void> {
  try {
    await reader?.cancel?.()
  } catch {}
}

/** Null where this platform's answers can't be read piece by piece. */
export const readerOf = ({ body }: FetchResponse): BodyReader | null =>
  typeof body?.getReader === 'function' ? body.getReader() : null

export const discard = (response: FetchResponse): void => { void cancel(readerOf(response)) }

/**
 * Makes a request. Aborting rejects it with the signal's reason, also where this `fetch` takes no notice of its signal:
 * an answer that comes all the same is cancelled.
 */
export const exchange = (fetch: FetchLike, url: string, init: FetchInit): Promise<FetchResponse> =>
  new Promise((resolve, reject) => {
    const { signal } = init
    if (signal.aborted) return reject(reasonOf(signal))
    const stop = onAbort(signal, () => { reject(reasonOf(signal)) })
    fetch(url, init).then((response) => {
      if (signal.aborted) discard(response)
      resolve(response)
    }, reject).finally(stop)
  })

/** Reads to the end, or until the signal is aborted; then the rest is cancelled. */
export async function readAll (reader: BodyReader, signal: AbortSignal | undefined, take: (piece: Uint8Array | undefined) => void): Promise<void> {
  const stop = onAbort(signal, () => { void cancel(reader) })
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done || signal?.aborted === true) return
      take(value)
    }
  } finally {
    stop()
    void cancel(reader)
  }
}

/** A request with a token, for what belongs to a stream. */
export const authorized = (fetch: FetchLike, url: string, method: string, token: string, signal: AbortSignal, body?: unknown): Promise<FetchResponse> =>
  exchange(fetch, url, {
    method,
    headers: { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal
  })

/** The body of an answer. */
export async function jsonOf (response: FetchResponse, signal?: AbortSignal): Promise<unknown> {
  const reader = readerOf(response)
  if (reader === null) return await response.json()
  const decoder = new TextDecoder()
  let text = ''
  await readAll(reader, signal, (piece) => { text += decoder.decode(piece, { stream: true }) })
  return JSON.parse(text)
}
