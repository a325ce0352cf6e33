import { onAbort, reasonOf } from './abort.js'
import type { BodyReader, FetchInit, FetchLike, FetchResponse } from './platform.js'

/** Cancels a body that nobody reads any further. Otherwise its connection would stay open. */
async function cancel (reader: BodyReader | null): Promise<void> {
  try {
    await reader?.cancel?.()
  } catch {}
}

/** A reader of the body, or null if this platform cannot read a body chunk by chunk. */
export const readerOf = ({ body }: FetchResponse): BodyReader | null =>
  typeof body?.getReader === 'function' ? body.getReader() : null

/** Releases the connection of a response without reading its body. */
export const discard = (response: FetchResponse): void => { void cancel(readerOf(response)) }

/**
 * Makes a request. Aborting rejects it with the signal's reason, even if this `fetch` ignores its signal; the body of a
 * late response is cancelled then.
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

/** Reads a body to its end, or until the signal is aborted. Cancels what was not read. */
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

/** Makes a request with a token, without retries: tickets, renewals and checks of a stream. */
export const authorized = (
  fetch: FetchLike, url: string, method: string, token: string, signal: AbortSignal, body?: unknown
): Promise<FetchResponse> =>
  exchange(fetch, url, {
    method,
    headers: { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal
  })

/** Reads the body of a response as JSON. */
export async function jsonOf (response: FetchResponse, signal?: AbortSignal): Promise<unknown> {
  const reader = readerOf(response)
  if (reader === null) return await response.json()
  const decoder = new TextDecoder()
  let text = ''
  await readAll(reader, signal, (piece) => { text += decoder.decode(piece, { stream: true }) })
  return JSON.parse(text)
}
