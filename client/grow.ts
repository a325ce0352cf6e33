import type { AppendAnswer, AppendBody } from '../schemas/growing.js'
import { elapsedMs } from './base/clock.js'
import { ChatError } from './base/errors.js'
import type { CallOptions } from './base/request.js'
import type { ChatEvents, CustomTypes, FinishMessageBody, OwnMessage, SendMessageBody } from './custom.js'

/** What is said is sent at most so often, in milliseconds: ten times a second. The service takes twenty. */
const BATCH_MS = 100
/** Length of what is sent at once, in UTF-16 code units. Longer events do not fit every bus between the service's nodes. */
const BATCH_MAX = 2000

/** A message that the user writes piece by piece. */
export interface GrowingMessage<T extends CustomTypes = CustomTypes> {
  /** The message as it was sent. Rejects with a `ChatError` if the service refuses it. */
  readonly message: Promise<OwnMessage<T>>
  /**
   * Aborted when somebody wants no more of it, or when it cannot go on: the `reason` is the `ChatError` then. Hand it to what
   * produces the text.
   */
  readonly signal: AbortSignal
  /** Appends to the message. Returns at once: what comes within a tenth of a second is sent together. */
  append (delta: string): void
  /**
   * Sends the rest and finishes the message: with another `text` or with `metadata`, if given. @throws ChatError why it could not go on,
   * `STILL_GROWING` if there is no text
   */
  finish (body?: FinishMessageBody<T>): Promise<OwnMessage<T>>
  /**
   * Appends everything that the source yields, such as the answer of a language model, and finishes the message. If somebody wants to
   * stop it, takes no more from the source. If nothing was said, the message is deleted. If the source fails, the message is finished with
   * `interrupted: true` in its metadata. @throws ChatError, or what the source threw
   */
  pipe (source: AsyncIterable<string>): Promise<OwnMessage<T>>
  /** Calls back when somebody wants no more of it: finish it then. @returns a function that ends it */
  onStop (listener: (userId: string) => void): () => void
}

/** The calls of a growing message. */
interface Calls {
  sendMessage (message: SendMessageBody, options?: CallOptions): Promise<OwnMessage>
  appendToMessage (messageId: string, body: AppendBody, options?: CallOptions): Promise<AppendAnswer>
  finishMessage (messageId: string, body?: FinishMessageBody, options?: CallOptions): Promise<OwnMessage>
  deleteMessage (messageId: string, options?: CallOptions): Promise<OwnMessage>
}

/** What a growing message works with. */
export interface GrowOptions {
  client: Calls
  /** Calls back when a `messageStop` event names the message. @returns a function that ends it */
  watch (message: Promise<OwnMessage>, stop: (event: ChatEvents['messageStop']) => void): () => void
  call: CallOptions | undefined
}

/** With the u flag, the class matches lone surrogates only. */
const lone = /[\ud800-\udfff]/gu
const isHigh = (unit: number) => unit >= 0xd800 && unit <= 0xdbff

/** Sends a message that grows, and what is appended to it. */
export function growMessage (body: SendMessageBody, { client, watch, call }: GrowOptions): GrowingMessage {
  const abort = new AbortController()
  const listeners = new Set<(userId: string) => void>()
  const message = client.sendMessage({ ...body, growing: true }, call)
  /** Everything said so far, and how much of it the service has. */
  let text = body.text ?? ''
  let sent = text.length
  let sending: Promise<void> | null = null
  let finishing: Promise<OwnMessage> | null = null
  let failure: ChatError | null = null
  let unwatch: (() => void) | undefined

  message.catch(fail)

  function fail (thrown: unknown): void {
    failure ??= thrown as ChatError
    unwatch?.()
    abort.abort(failure)
  }

  function stopped ({ userId }: Pick<ChatEvents['messageStop'], 'userId'>): void {
    if (finishing !== null) return
    abort.abort(new ChatError('STOPPED', 'Somebody wants no more of this message'))
    for (const listener of [...listeners]) listener(userId)
  }

  /** Watches for a stop from the first time that somebody wants to know. */
  function watched (): void {
    unwatch ??= watch(message, stopped)
  }

  /** How far the text may be sent: half a surrogate pair waits for its other half. */
  function upTo (from: number, isLast: boolean): number {
    const end = Math.min(text.length, from + BATCH_MAX)
    return isHigh(text.charCodeAt(end - 1)) && !(isLast && end === text.length) ? end - 1 : end
  }

  async function send (isLast: boolean): Promise<void> {
    const { id } = await message
    let lost = 0
    for (let end = upTo(sent, isLast); end > sent; end = upTo(sent, isLast)) {
      const since = elapsedMs()
      try {
        await client.appendToMessage(id, { offset: sent, text: text.slice(sent, end).replace(lone, '\ufffd') }, call)
        sent = end
      } catch (thrown) {
        const { code, length } = thrown as ChatError
        // The service has less than it had answered, or more than it could answer. All of the text is still here.
        if (code !== 'OFFSET_MISMATCH' || length === null || length === sent || length > text.length || ++lost > 3) throw thrown
        sent = length
      }
      if (!isLast || upTo(sent, isLast) > sent) await pause(BATCH_MS - (elapsedMs() - since))
    }
  }

  function flush (isLast = false): Promise<void> {
    const now = (sending ?? Promise.resolve()).then(() => send(isLast))
    const settled: Promise<void> = now.catch(fail).then(() => { if (sending === settled) sending = null })
    sending = settled
    return now
  }

  /** Whether nothing more is to be said. */
  function assertOpen (): void {
    if (finishing !== null) throw new ChatError('NOT_GROWING', 'The message is finished')
  }

  function append (delta: string): void {
    assertOpen()
    text += delta
    if (sending === null && failure === null && upTo(sent, false) > sent) flush().catch(() => {}) // `fail` has it
  }

  async function close (body: FinishMessageBody | undefined, isEmpty: boolean): Promise<OwnMessage> {
    try {
      const { id } = await message
      if (isEmpty) return await client.deleteMessage(id, call)
      await flush(true)
      return await client.finishMessage(id, body, call)
    } finally {
      unwatch?.()
    }
  }

  function finish (body?: FinishMessageBody, isEmpty = false): Promise<OwnMessage> {
    finishing ??= close(body, isEmpty)
    return finishing
  }

  /** Finishes the message as the service does when it hears no more of it. */
  async function interrupt (): Promise<OwnMessage> {
    const { id, metadata } = await message
    finishing = client.finishMessage(id, { metadata: { ...metadata, interrupted: true } }, call)
    unwatch?.()
    return await finishing
  }

  async function pipe (source: AsyncIterable<string>): Promise<OwnMessage> {
    assertOpen()
    watched()
    const iterator = source[Symbol.asyncIterator]()
    const { signal } = abort
    const over = new Promise<null>((resolve) => {
      if (signal.aborted) resolve(null)
      else signal.addEventListener('abort', () => { resolve(null) })
    })
    let next: IteratorResult<string> | null = null
    try {
      do {
        const asked = iterator.next()
        asked.catch(() => {}) // It may fail after the race is over
        next = await Promise.race([asked, over])
        if (next?.done === false) append(next.value)
      } while (next?.done === false)
    } catch (thrown) {
      // A source that was handed the signal may fail by it.
      if (!signal.aborted) {
        if (text === '') await finish(undefined, true)
        else await flush(true).then(interrupt)
        throw thrown
      }
    }
    // A source that waits for something may only end when that has come.
    if (next === null) void Promise.resolve(iterator.return?.()).catch(() => {})
    const thrown = failure as ChatError | null
    if (thrown === null) return await finish(undefined, text === '' && body.attachments == null)
    // What the service does not take, such as more than a message holds, leaves what it has taken.
    if (thrown.statusCode === 400 && sent > 0) await interrupt().catch(() => {})
    throw thrown
  }

  return {
    message,
    get signal () {
      watched()
      return abort.signal
    },
    append,
    finish: (body) => finish(body),
    pipe,
    onStop (listener) {
      watched()
      const entry = (userId: string) => { listener(userId) }
      listeners.add(entry)
      return () => { listeners.delete(entry) }
    }
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => { setTimeout(resolve, Math.max(0, ms)) })
