/** The events of the stream that the rows need. */
const NAMES = ['connected', 'message', 'disconnect', 'reset']

/**
 * Hands what an EventSource, or something like it, dispatches to `hear`.
 *
 * @param {{ addEventListener(name: string, listener: (event: any) => void): void, close(): void }} source
 * @param {(type: string, data: unknown, id: string) => void} hear
 * @returns {() => void} closes it
 */
export function listen (source, hear) {
  for (const name of NAMES) source.addEventListener(name, event => { hear(name, event.data, event.lastEventId) })
  return () => { source.close() }
}

/**
 * For clients that read one answer to its end, and leave it to you to come back: `read` is called again with the last id.
 *
 * @param {(lastEventId: string, hear: (type: string, data: unknown, id: string | undefined) => void, signal: AbortSignal) => Promise<unknown>} read
 * @param {(type: string, data: unknown, id: string) => void} hear
 * @returns {() => void} ends it
 */
export function again (read, hear) {
  const ended = new AbortController()
  let last = ''
  const run = async () => {
    while (!ended.signal.aborted) {
      await read(last, (type, data, id) => {
        if (id) last = id
        hear(type, data, last)
      }, ended.signal).catch(() => {})
      await new Promise(resolve => { setTimeout(resolve, 300) })
    }
  }
  run().catch(() => {})
  return () => { ended.abort() }
}

/** @param {string} token */
export const bearer = token => ({ Authorization: `Bearer ${token}` })

/** @param {string} lastEventId */
export const after = lastEventId => lastEventId === '' ? {} : { 'Last-Event-ID': lastEventId }

/** @param {string} url @param {string} token */
export const withToken = (url, token) => `${url}&token=${token}`
