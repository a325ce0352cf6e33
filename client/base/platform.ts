/**
 * The parts of a platform that the client uses, each only if it exists. They are structural types: neither the types of
 * the DOM nor those of Node.js are needed to use the client, and any implementation of a part fits.
 */

export interface FetchInit {
  method: string
  headers: Record<string, string>
  body?: string
  signal: AbortSignal
  cache?: 'no-store'
}

/** What a form can hold: a `Blob`, a `File`, or React Native's description of a file. */
export interface FormPart {
  readonly name?: string | undefined
  readonly size?: number | undefined
  readonly type?: string | undefined
  readonly uri?: string | undefined
}

interface FormDataLike {
  append (name: string, value: unknown, filename?: string): void
}

/** `XMLHttpRequest`, as far as uploads need it. */
export interface XhrLike {
  readonly upload: { onprogress: ((event: { loaded: number, total: number }) => void) | null }
  onload: (() => void) | null
  onerror: (() => void) | null
  onloadend: (() => void) | null
  readonly status: number
  readonly responseText: string
  open (method: string, url: string): void
  setRequestHeader (name: string, value: string): void
  getResponseHeader (name: string): string | null
  send (body: unknown): void
  abort (): void
}

export type XhrConstructor = new () => XhrLike

export interface BodyReader {
  read (): Promise<{ done: boolean, value?: Uint8Array | undefined }>
  cancel? (): unknown
}

export interface FetchResponse {
  readonly status: number
  readonly headers: { get (name: string): string | null }
  readonly body?: { getReader (): BodyReader } | null | undefined
  json (): Promise<unknown>
}

/** `fetch` as the client calls it: the global one, Expo's (`expo/fetch`) or undici's. */
export type FetchLike = (url: string, init: FetchInit) => Promise<FetchResponse>

/** The events of common `EventSource`s. Polyfills for React Native report the status of an error response; browsers do not. */
export interface EventSourceEvent {
  readonly type?: string
  readonly data?: unknown
  readonly lastEventId?: string | null
  readonly xhrStatus?: number
  readonly code?: number | undefined
  readonly message?: string | undefined
}

export interface EventSourceLike {
  addEventListener (type: string, listener: (event: EventSourceEvent) => void): void
  close (): void
}

export interface EventSourceInit {
  withCredentials?: boolean
  /** Only polyfills support headers. */
  headers?: Record<string, string>
  /** The reconnection interval of react-native-sse, and its delay before the first connection, in milliseconds. */
  pollingInterval?: number
  timeoutBeforeConnection?: number
}

/** Any `EventSource`: a browser's, that of Node.js, or a polyfill for React Native. */
export type EventSourceConstructor = new (url: string, init?: EventSourceInit) => EventSourceLike

/** React Native's `AppState`, or anything of the same shape. */
export interface AppStateLike {
  addEventListener (type: 'change', listener: (state: string) => void): { remove (): void }
}

interface EventTargetLike {
  addEventListener (type: string, listener: () => void): void
  removeEventListener (type: string, listener: () => void): void
}

export interface LockManagerLike {
  request (
    name: string,
    options: { steal?: boolean, signal?: AbortSignal },
    callback: () => Promise<void>
  ): Promise<unknown>
}

export interface BroadcastChannelLike {
  addEventListener (type: 'message', listener: (event: { data: unknown }) => void): void
  postMessage (message: unknown): void
  close (): void
}

export type BroadcastChannelConstructor = new (name: string) => BroadcastChannelLike

interface Platform extends Partial<EventTargetLike> {
  fetch?: FetchLike
  XMLHttpRequest?: XhrConstructor
  FormData?: new () => FormDataLike
  location?: { origin?: string }
  navigator?: { product?: string, locks?: LockManagerLike }
  document?: EventTargetLike & { visibilityState?: string }
  performance?: { now (): number }
  crypto?: { randomUUID? (): string, getRandomValues? (array: Uint8Array): Uint8Array }
  atob? (text: string): string
  BroadcastChannel?: BroadcastChannelConstructor
}

/** The global object. Every part of it is optional. */
export const platform = globalThis as unknown as Platform

/** The longest delay that `setTimeout` supports. A longer one would fire at once. */
export const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

export type Timer = ReturnType<typeof setTimeout>
