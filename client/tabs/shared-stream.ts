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

/** How long a leader may take to answer before it counts as gone. Browsers freeze tabs in the background. */
const PATIENCE_MS = 4000
/** How often a tab checks that its leader is alive. */
const CHECK_MS = 30_000

/**
 * The role of a tab:
 *
 *                 pageshow                     the lock is granted, or stolen
 *     suspended ────────────▶ following ──────────────────────────────────────▶ leading
 *         ▲                    │     ▲        another tab leads, or has          │   │
 *         │                    │     └──────── stolen the lock ─────────────────┘   │
 *         └────── pagehide ────┴─────────────────────────────────────────────────────┘
 *
 * `unsubscribe` leads from every role to `closed`, and so does the final end of the stream from `leading`. Without locks or
 * channels, a tab goes from `suspended` to `leading` at once, and leads no other tab.
 */
type Role =
  | { name: 'suspended' }
  /** Waits for the lock. While `patience` runs, a `hello` is unanswered: its answer will include the frames before it. */
  | { name: 'following', patience: Timer | undefined }
  /** Holds the lock and the stream. `base` is the last frame before its term. */
  | { name: 'leading', stream: Stream, base: Place | null }
  | { name: 'closed' }

export interface SharedSubscribeOptions extends SubscribeOptions {
  /** The user of the stream. Tabs of different users share nothing. */
  userId: string
  tabs: TabPlatform
  patienceMs?: number
}

export interface SharedSubscription extends Subscription {
  /** Whether this tab holds the stream. */
  readonly leads: boolean
}

/**
 * `subscribeToSSE` for the tabs of one browser, which share one stream. The tab that holds a lock is the leader: it reads
 * the stream and forwards it to the others. When it closes, the next tab becomes the leader and resumes the stream where
 * that tab was. Every tab receives every event once and in order. A tab that was frozen for too long receives a `reset`.
 */
export function subscribeShared (options: SharedSubscribeOptions): SharedSubscription {
  const { tabs, userId, signal, patienceMs = PATIENCE_MS } = options
  const name = ['fastify-sse-chat', baseUrlOf(options), userId, options.conversationId ?? '', options.echo === true].join(' ')
  const tab = createClientId()
  const dispatcher = createDispatcher(options, options.lastEventId, end)
  const log = createFrameLog()

  let state: StreamState = 'connecting'
  let connected: ChatEvents['connected'] | null = null
  /** The last frame that this tab has applied. */
  let seen: Place | null = null
  /** When this tab last heard from a leader. */
  let heardAt = -Infinity
  let terms = 0

  let role: Role = { name: 'suspended' }
  /** Releases the lock, or stops waiting for it. */
  let leave = () => {}

  /** Null if there are no locks or channels. Each tab then has a stream of its own. */
  let channel = openChannel()

  const post = (message: TabMessage) => channel?.postMessage(message)

  /** A browser that allows a page no storage has channels and locks, but throws when they are used. */
  function openChannel (): BroadcastChannelLike | null {
    try {
      return new tabs.BroadcastChannel(name)
    } catch {
      return null
    }
  }

  // Every tab

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
      // If no leader answers, a tab that knows where the stream was should take over.
      else if (elapsedMs() - heardAt > patienceMs) hello()
    } else if (message.kind === 'lead') {
      // The sender has the lock. It may have stolen it from this tab while this tab was frozen.
      if (role.name === 'leading') stepDown()
      heard()
      follow(message)
    } else if (role.name !== 'following') {
      // A former leader's last message
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

  // A follower

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
    // A tab that has seen more than its new leader receives the difference again, and its dispatcher drops it.
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
    // The missed frames may have included a reset.
    dispatcher.forget()
    if (data !== null && leaders === 'connected') dispatcher.event('connected', { ...data, resumed: !fresh }, fresh ? position : null)
    // The leader no longer has the frames between this tab's last one and its own.
    if (!fresh) dispatcher.event('reset', { conversationId: options.conversationId ?? null, reason: 'pruned' }, position)
  }

  // The leader

  function lead (): void {
    heard()
    const term = `${tab}.${++terms}`
    const base = seen
    seen = { term, n: 0 }
    state = 'connecting'
    const tell = (told: Signal) => {
      if (role.name !== 'leading' || role.stream !== stream || seen === null) return
      // The final end of this tab's stream does not end the other tabs' streams.
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
      // Only this tab ends: the next leader may have a better token, and finds out for itself.
      failed: dispatcher.failed
    })
    role = { name: 'leading', stream, base }
  }

  function welcome (base: Place | null, to: string, from: Place | null): void {
    if (seen === null) return
    const start = { term: seen.term, n: 0 }
    // A tab that heard more of the former leader than this one did receives the difference again, and drops it.
    const place = from !== null && from.term === base?.term && from.n >= base.n ? start : from
    const missed = place === null || (place.term === seen.term && place.n === seen.n) ? [] : log.after(place)
    post({ kind: 'welcome', to, at: seen, state, connected, position: dispatcher.position, missed })
  }

  function stepDown (): void {
    become({ name: 'following', patience: undefined })
    queue(false)
  }

  // The lock

  /** Waits for the lock, or steals it from a leader that does not answer. */
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
      if (!mine()) return // This tab left the queue
      if (role.name === 'leading') return stepDown() // Stolen while this tab slept
      channel?.close()
      channel = null
      lead()
    })
  }

  /** Enters a role without a stream: closes the stream and releases the lock. */
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

  /** A page in the back/forward cache must not keep the stream from other tabs. It may be shown again later. */
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

  channel?.addEventListener('message', ({ data }) => {
    if (role.name !== 'suspended' && role.name !== 'closed' && channel !== null) receive(data as TabMessage)
  })
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
