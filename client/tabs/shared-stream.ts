import type { ChatEvents } from '../../schemas/events.js'
import { onAbort } from '../base/abort.js'
import { baseUrlOf } from '../base/base-url.js'
import { createClientId } from '../base/client-id.js'
import { elapsedMs } from '../base/clock.js'
import { createDispatcher } from '../stream/dispatcher.js'
import { ChatError } from '../base/errors.js'
import type { StreamState, SubscribeOptions, Subscription } from '../options.js'
import { platform, type BroadcastChannelLike, type Timer } from '../base/platform.js'
import { openStream, type Stream } from '../stream/stream.js'
import { createFrameLog, type Frame, type Place, type Signal, type TabMessage, type TabPlatform } from './tabs.js'
import { onWake } from '../stream/wake.js'

/** How long a leader may take to answer before it counts as gone; browsers freeze tabs that nobody looks at. */
const PATIENCE_MS = 4000
/** How often a tab makes sure that its leader is alive. */
const CHECK_MS = 30_000

/**
 * What a tab is to the others:
 *
 *                 pageshow                      the lock is given, or taken
 *     suspended ────────────▶ following ──────────────────────────────────────▶ leading
 *         ▲                    │     ▲        another tab leads, or has          │   │
 *         │                    │     └──────── taken the lock ──────────────────┘   │
 *         └────── pagehide ────┴─────────────────────────────────────────────────────┘
 *
 * All of them go to `closed` by `unsubscribe`; `leading` also when its stream has ended for good. Where there are no locks
 * or channels, a tab goes from `suspended` to `leading` at once, and leads nobody.
 */
type Role =
  | { name: 'suspended' }
  /** In line for the lock. While `patience` runs, a hello is out: what comes before its answer will be in it. */
  | { name: 'following', patience: Timer | undefined }
  /** Holds the lock and the stream. `base` is where its term follows on. */
  | { name: 'leading', stream: Stream, base: Place | null }
  | { name: 'closed' }

export interface SharedSubscribeOptions extends SubscribeOptions {
  /** Whose stream it is: tabs of different users share nothing. */
  userId: string
  tabs: TabPlatform
  patienceMs?: number
}

export interface SharedSubscription extends Subscription {
  /** This tab holds the stream. */
  readonly leads: boolean
}

/**
 * `subscribeToSSE` for many tabs of one browser with one stream between them: the tab that holds a lock reads it and tells
 * the others. When that tab goes, the next one takes over and resumes where it had got to. Every tab gets every event once
 * and in order; one that was asleep for too long gets a `reset`.
 */
export function subscribeShared (options: SharedSubscribeOptions): SharedSubscription {
  const { tabs, userId, signal, patienceMs = PATIENCE_MS } = options
  const name = ['fastify-sse-chat', baseUrlOf(options), userId, options.conversationId ?? '', options.echo === true].join(' ')
  const tab = createClientId()
  const dispatcher = createDispatcher(options, options.lastEventId, end)
  const log = createFrameLog()

  let state: StreamState = 'connecting'
  let connected: ChatEvents['connected'] | null = null
  /** What this tab has got to. */
  let seen: Place | null = null
  /** When a leader was last heard of. */
  let heardAt = -Infinity
  let terms = 0

  let role: Role = { name: 'suspended' }
  /** Ends this tab's term, or its place in the queue for the lock. */
  let leave = () => {}

  /** Null where there are no locks or channels to be had: every tab for itself. */
  let channel = openChannel()

  const post = (message: TabMessage) => channel?.postMessage(message)

  /** Where a page may store nothing, a browser has channels and locks, and refuses them. */
  function openChannel (): BroadcastChannelLike | null {
    try {
      return new tabs.BroadcastChannel(name)
    } catch {
      return null
    }
  }

  // what every tab does

  function apply ({ signal: told, state: after, ...place }: Frame): void {
    seen = place
    state = after
    log.add({ signal: told, state: after, ...place })
    if ('event' in told) {
      if (told.event[0] === 'connected') connected = told.event[1]
      dispatcher.event(...told.event)
    } else if ('disconnect' in told) {
      dispatcher.disconnect(told.disconnect)
    } else {
      const { attempt, delayMs, code, statusCode, message } = told.reconnecting
      dispatcher.reconnecting({ attempt, delayMs, error: new ChatError(code, message, { statusCode }) })
    }
  }

  function receive (message: TabMessage): void {
    if (message.kind === 'wake') {
      if (role.name === 'leading') role.stream.wake()
    } else if (message.kind === 'hello') {
      if (role.name === 'leading') welcome(role.base, message.tab, message.seen)
      // If nobody answers, better a tab takes over that knows where the stream was.
      else if (elapsedMs() - heardAt > patienceMs) hello()
    } else if (message.kind === 'lead') {
      // Whoever says so has the lock, if need be taken from this tab while it was asleep.
      if (role.name === 'leading') stepDown()
      heard()
      follow(message)
    } else if (role.name !== 'following') {
      // a predecessor's last words
    } else if (message.kind === 'frame') {
      heard()
      const { frame } = message
      if (seen?.term === frame.term && frame.n <= seen.n) return
      if (seen?.term === frame.term && frame.n === seen.n + 1) apply(frame)
      else hello()
    } else if (message.to === tab && role.patience !== undefined) {
      heard()
      catchUp(message)
    }
  }

  // what followers do

  function hello (): void {
    if (role.name !== 'following' || role.patience !== undefined) return
    post({ kind: 'hello', tab, seen })
    role.patience = setTimeout(() => {
      if (role.name === 'following') role.patience = undefined
      queue(true)
    }, seen === null ? patienceMs : patienceMs / 2)
  }

  function heard (): void {
    heardAt = elapsedMs()
    if (role.name !== 'following') return
    clearTimeout(role.patience)
    role.patience = undefined
  }

  function follow ({ term, after, state: leaders }: TabMessage & { kind: 'lead' }): void {
    // A tab that has seen more than its new leader will see that again; its dispatcher drops it.
    const upToDate = seen === null || (seen.term === after?.term && seen.n >= after.n)
    if (!upToDate) return hello()
    seen = { term, n: 0 }
    state = leaders
  }

  function catchUp ({ at, state: leaders, connected: data, position, missed }: TabMessage & { kind: 'welcome' }): void {
    const before = seen
    seen = at
    state = leaders
    connected = data
    if (missed !== null && before !== null) {
      for (const frame of missed) if (!dispatcher.closed) apply(frame)
      return
    }
    const fresh = before === null && dispatcher.position === null
    // What this tab has missed may have been a reset.
    dispatcher.forget()
    if (data !== null && leaders === 'connected') dispatcher.event('connected', { ...data, resumed: !fresh }, fresh ? position : null)
    // Where this tab was can't be joined to where the leader is.
    if (!fresh) dispatcher.event('reset', { conversationId: options.conversationId ?? null, reason: 'pruned' }, position)
  }

  // what the leader does

  function lead (): void {
    heard()
    const term = `${tab}.${++terms}`
    const base = seen
    seen = { term, n: 0 }
    state = 'connecting'
    const tell = (told: Signal) => {
      if (role.name !== 'leading' || role.stream !== stream || seen === null) return
      // What ends this tab's stream for good is not the others' end.
      const frame = { term, n: seen.n + 1, signal: told, state: stream.state === 'closed' ? 'connecting' as const : stream.state }
      post({ kind: 'frame', frame })
      apply(frame)
    }
    post({ kind: 'lead', term, after: base, state })
    const stream = openStream(options, {
      get position () { return dispatcher.position },
      event: (...event) => tell({ event }),
      disconnect: (disconnect) => tell({ disconnect }),
      reconnecting ({ attempt, delayMs, error }) {
        const { code, statusCode, message } = error as ChatError
        tell({ reconnecting: { attempt, delayMs, code, statusCode, message } })
      },
      error: dispatcher.error,
      // Only this tab's end: the next one may have a better token, and finds out for itself.
      failed: dispatcher.failed
    })
    role = { name: 'leading', stream, base }
  }

  function welcome (base: Place | null, to: string, from: Place | null): void {
    if (seen === null) return
    const start = { term: seen.term, n: 0 }
    // A tab that had heard more of the last leader than this one hears the difference again, and drops it.
    const place = from !== null && from.term === base?.term && from.n >= base.n ? start : from
    const missed = place === null || (place.term === seen.term && place.n === seen.n) ? [] : log.after(place)
    post({ kind: 'welcome', to, at: seen, state, connected, position: dispatcher.position, missed })
  }

  function stepDown (): void {
    become({ name: 'following', patience: undefined })
    queue(false)
  }

  // the lock

  /** Waits for the lock, or takes it from a leader that doesn't answer. */
  function queue (steal: boolean): void {
    leave()
    const abort = new AbortController()
    let release = () => {}
    const mine = () => leave === leaveThis
    const leaveThis = () => {
      abort.abort()
      release()
    }
    leave = leaveThis
    const held = () => new Promise<void>((resolve) => {
      release = resolve
      if (mine()) lead()
      else resolve()
    })
    tabs.locks.request(name, steal ? { steal } : { signal: abort.signal }, held).catch(() => {
      if (!mine()) return // given up by itself
      if (role.name === 'leading') return stepDown() // stolen while this tab slept
      channel?.close()
      channel = null
      lead()
    })
  }

  /** Leaves its role, and the lock or its place in line, for one without a stream. */
  function become (next: Exclude<Role, { name: 'leading' }>): void {
    heard()
    if (role.name === 'leading') role.stream.close()
    role = next
    leave()
    leave = () => {}
  }

  function start (): void {
    if (channel === null) return lead()
    become({ name: 'following', patience: undefined })
    queue(false)
    hello()
  }

  /** A page put aside must not keep the stream from the others; it may come back as it was. */
  const suspend = () => { become({ name: 'suspended' }) }

  const resume = () => { if (role.name === 'suspended') start() }

  const check = () => { if (platform.document?.visibilityState !== 'hidden') hello() }

  function unsubscribe (): void {
    dispatcher.close()
    end()
  }

  function end (): void {
    if (role.name === 'closed') return
    become({ name: 'closed' })
    state = 'closed'
    clearInterval(checking)
    stopWaking()
    platform.removeEventListener?.('pagehide', suspend)
    platform.removeEventListener?.('pageshow', resume)
    stopListening()
    channel?.close()
    channel = null
  }

  channel?.addEventListener('message', ({ data }) => { if (role.name !== 'suspended' && role.name !== 'closed' && channel !== null) receive(data as TabMessage) })
  const checking = setInterval(check, CHECK_MS)
  const stopWaking = onWake(check, options.appState)
  platform.addEventListener?.('pagehide', suspend)
  platform.addEventListener?.('pageshow', resume)
  const stopListening = onAbort(signal, unsubscribe)
  if (signal?.aborted === true) unsubscribe()
  else start()

  return {
    unsubscribe,
    reconnect () {
      if (role.name === 'leading') role.stream.wake()
      else if (role.name === 'following') post({ kind: 'wake' })
    },
    get state () { return state },
    get lastEventId () { return dispatcher.position },
    get leads () { return role.name === 'leading' }
  }
}
