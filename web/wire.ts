import type { FetchInit, FetchLike, Store } from '../client/index.js'

/** What went over the wire: an event of the stream, a call with its response, or the line itself, cut or mended. */
export type WireEntry = { n: number, at: Date } & (
  | { kind: 'event', type: string, id: string | null, data: unknown, replayed: boolean }
  | {
    kind: 'call',
    method: string,
    path: string,
    body: string | null,
    status: number | null,
    ms: number,
    lastEventId: string | null,
    answer: string | null
    /** The same call as a command, with the user's token. */
    curl: string
  }
  | { kind: 'line', cut: boolean }
)

export interface WireState {
  entries: readonly WireEntry[]
  /** Whether the stream is held off. */
  cut: boolean
  /** Whether there is a stream here to cut: another tab may hold it. */
  streams: boolean
}

export interface Wire extends Store<WireState> {
  event (type: string, data: unknown, id: string | null): void
  /** The browser's `fetch`, which records each call. */
  fetch: FetchLike
  /** Drops the stream, and holds off the next one until the line is mended. Calls go on. */
  cut (): void
  mend (): void
  clear (): void
}

const CAPACITY = 300
/** The most of an answer that is kept, in code units. */
const ANSWER_MAX = 20_000

const STREAM = /\/api\/sse(?:\?|$)/
const INSTANT = /^\d{4}-\d\d-\d\dT/

/** When an event happened: the latest instant that it names. */
function instantOf (data: unknown): string {
  const values = Object.values(data as Record<string, unknown>)
  return values.filter((value): value is string => typeof value === 'string' && INSTANT.test(value)).sort().at(-1) ?? ''
}

const quoted = (text: string) => `'${text.replaceAll('\'', '\'\\\'\'')}'`

/** A call as a command of a shell. A file is named, not written out. */
function curlOf (url: string, { method, headers, body }: FetchInit): string {
  const wanted = Object.entries(headers).filter(([name]) => name !== 'Accept')
  return [
    `curl ${STREAM.test(url) ? '-N ' : ''}${method === 'GET' ? '' : `-X ${method} `}${quoted(url)}`,
    ...wanted.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...body === undefined ? [] : [typeof body === 'string' ? `-d ${quoted(body)}` : '-F file=@file']
  ].join(' \\\n  ')
}

/** Records the last events and calls, the newest last. */
export function createWire (baseUrl: string): Wire {
  const listeners = new Set<() => void>()
  let state: WireState = { entries: [], cut: false, streams: false }
  let count = 0
  let scheduled = false
  /** The streams that are open, of which there is one but while it is replaced. */
  const streams = new Set<AbortController>()
  /** When a stream was resumed, as the server says: what happened before was replayed. */
  let resumedAt = ''

  function set (change: Partial<WireState>): void {
    state = { ...state, ...change }
    if (scheduled) return
    scheduled = true
    queueMicrotask(() => {
      scheduled = false
      for (const listener of [...listeners]) listener()
    })
  }

  const entry = () => ({ n: ++count, at: new Date() })
  const add = (added: WireEntry) => { set({ entries: [...state.entries.slice(1 - CAPACITY), added] }) }

  /** Opens a stream that can be cut. */
  async function stream (url: string, init: FetchInit): Promise<Response> {
    const abort = new AbortController()
    streams.add(abort)
    set({ streams: true })
    const end = () => {
      streams.delete(abort)
      set({ streams: streams.size > 0 })
      abort.abort()
    }
    init.signal.addEventListener('abort', end)
    try {
      return await fetch(url, { ...init, signal: abort.signal } as RequestInit)
    } catch (error) {
      end()
      throw error
    }
  }

  return {
    event (type, data, id) {
      if (type === 'connected') {
        const { resumed, timestamp } = data as { resumed: boolean, timestamp: string }
        resumedAt = resumed ? timestamp : ''
      }
      const replayed = type !== 'connected' && id !== null && instantOf(data) !== '' && instantOf(data) < resumedAt
      add({ ...entry(), kind: 'event', type, id, data, replayed })
    },
    async fetch (url, init) {
      const { method, body = null, headers } = init
      const isStream = STREAM.test(url)
      const lastEventId = headers['Last-Event-ID'] ?? null
      const started = performance.now()
      const note = (status: number | null, answer: string | null) => {
        add({
          ...entry(),
          kind: 'call',
          method,
          path: url.startsWith(baseUrl) ? url.slice(baseUrl.length) : url,
          body: typeof body === 'string' ? body : null, // A form with a file is passed as it is
          status,
          ms: Math.round(performance.now() - started),
          lastEventId,
          answer,
          curl: curlOf(url, init)
        })
      }
      if (isStream && state.cut) throw new TypeError('The line is cut')
      try {
        const response = isStream ? await stream(url, init) : await fetch(url, init as RequestInit)
        const { status } = response
        const isText = !isStream && /json|text/.test(response.headers.get('content-type') ?? '')
        if (isText) response.clone().text().then((text) => { note(status, text.slice(0, ANSWER_MAX)) }, () => { note(status, null) })
        else note(status, null)
        return response
      } catch (error) {
        if (!init.signal.aborted && !state.cut) note(null, null)
        throw error
      }
    },
    cut () {
      if (state.cut) return
      add({ ...entry(), kind: 'line', cut: true })
      set({ cut: true })
      for (const abort of [...streams]) abort.abort()
    },
    mend () {
      if (!state.cut) return
      add({ ...entry(), kind: 'line', cut: false })
      set({ cut: false })
    },
    clear () { set({ entries: [] }) },
    subscribe (listener) {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    getSnapshot: () => state
  }
}
