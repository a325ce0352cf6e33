import type { MentionInput, MessageStatus, Quote, ReactionAnswer } from '../../schemas/messages.js'
import type { UploadedFile } from '../../schemas/files.js'
import type { User } from '../../schemas/users.js'
import type { CustomTypes, OwnMessage } from '../custom.js'
import type { FileSource } from '../files.js'
import type { StreamEvent } from '../options.js'
import { fold, isMentioned, ownOf, quoteOf, unsent, type Viewer } from './fold.js'
import { higherStatus, laterMessage } from './marks.js'
import type { People } from './people.js'
import { createWishes } from './reactions.js'

/** A message for a user interface: one of the conversation, or one that the user is sending. */
export type ChatMessage<T extends CustomTypes = CustomTypes> = Omit<OwnMessage<T>, 'seq' | 'status'> & {
  /** A stable key for lists: it does not change when the message has been sent. */
  key: string
  /** Null until the message has been sent. */
  seq: number | null
  status: MessageStatus | 'sending' | 'failed'
  /** Whether the user sent it, from any device. */
  own: boolean
  /** Why it `failed`. Otherwise null. */
  error: Error | null
  /** The files of an unsent message. Those of a sent one are its `attachments`. */
  uploads: readonly PendingUpload[]
}

/** A file that is uploaded for a message. */
export interface PendingUpload {
  source: FileSource
  name: string
  /** From 0 to 1. */
  progress: number
  /** Null until it is uploaded. */
  file: UploadedFile | null
}

const NO_UPLOADS: readonly PendingUpload[] = []

export interface Pending {
  clientId: string
  text: string
  type: string
  metadata: OwnMessage['metadata']
  /** The id of the message that it replies to. */
  replyToId: string | null
  mentions: readonly MentionInput[]
  mentionsAll: boolean
  uploads: readonly PendingUpload[]
  createdAt: string
  status: 'sending' | 'failed'
  error: Error | null
}

/** The most events that are remembered, to be applied to the responses of requests that were made before them. */
const RECENT_MAX = 500

/** The loaded messages of a conversation in order, followed by the user's unsent ones. */
export interface Timeline {
  readonly oldestSeq: number | null
  readonly newestSeq: number | null
  readonly newest: OwnMessage | undefined
  find (messageId: string): OwnMessage | undefined
  /** Call it before a request, and pass the result to `take` or `replace`. */
  mark (): number
  /**
   * Applies an event to all messages that it changes, and adds the message of a `message` event if it is from `from` to `to`.
   * Events arrive in order, so those that arrive after a request was made are applied to its response, too.
   */
  hear (event: StreamEvent, from?: number, to?: number): void
  /** Applies an event that was heard once more, over a response. */
  repeat (event: StreamEvent, from: number, to: number): void
  /** Takes the messages of a response, except unknown ones below `from` or above `to`. */
  take (messages: readonly OwnMessage[], since: number, from?: number, to?: number): void
  /** Takes the messages of a response in place of all others, except pending ones. Adds what was heard since, up to `to`. */
  replace (messages: readonly OwnMessage[], since: number, to?: number): void
  /** Adds the messages that were heard since and left out. @returns whether all of them are still remembered */
  resume (since: number): boolean
  /** The events that were heard are those of another log. */
  forget (): void
  /** Raises the status of the user's own messages after `from`, up to and including `to`. */
  raise (from: number, to: number, statusAt: (seq: number) => MessageStatus): void
  /** Shows a reaction of the user's. @returns a function to call with the answer, or with null if the call failed */
  react (messageId: string, emoji: string, on: boolean): (answer: ReactionAnswer | null) => void
  /** The number of other users' messages after `seq` that are not deleted, or of those that count as mentions of the user. */
  countAfter (seq: number, mentioning?: boolean): number
  /** The newest message of another user. */
  newestOfOthers (): OwnMessage | undefined
  pending: Map<string, Pending>
  view (): readonly ChatMessage[]
}

export function createTimeline (conversationId: string, me: () => Viewer & { user: User | null }, people: People): Timeline {
  const byId = new Map<string, OwnMessage>()
  const pending = new Map<string, Pending>()
  const wishes = createWishes((userId) => userId === me().userId)
  /** The view of each object, so that an unchanged message keeps the same one. */
  const shown = new WeakMap<OwnMessage, ChatMessage>()
  const shownPending = new WeakMap<Pending, { json: string, view: ChatMessage }>()
  const quotes = new WeakMap<Pending, Quote>()
  let sorted: OwnMessage[] = []
  /** Whether a message has changed since they were sorted. */
  let unsorted = false
  /** The views of `sorted`, as long as the names and the user are these. */
  let sent: { of: OwnMessage[], names: number, userId: string | null, views: readonly ChatMessage[] } | undefined
  /** Counts what was heard. `recent` holds the last of it, all after `dropped`. */
  let heard = 0
  let recent: { at: number, event: StreamEvent }[] = []
  let dropped = 0

  const isOwn = ({ senderId }: OwnMessage) => senderId === me().userId

  function sort (): void {
    if (!unsorted) return
    unsorted = false
    sorted = [...byId.values()].sort((a, b) => a.seq - b.seq)
  }

  function set (message: OwnMessage): void {
    byId.set(message.id, message)
    unsorted = true
    if (message.clientId !== null && isOwn(message)) pending.delete(message.clientId)
  }

  /** Makes the view of a message anew. */
  function touch (messageId: string): void {
    const message = byId.get(messageId)
    if (message !== undefined) set({ ...message })
    sort()
  }

  function apply (event: StreamEvent, from: number, to: number): void {
    const [type, data] = event
    for (const message of byId.values()) {
      const folded = fold(message, event, me().userId)
      if (folded !== message) set(folded)
    }
    if (type === 'message' && data.seq >= from && data.seq <= to && !byId.has(data.id)) set(ownOf(data))
  }

  function take (messages: readonly OwnMessage[], since: number, from = 0, to = Infinity): void {
    for (const answer of messages) {
      const known = byId.get(answer.id)
      if (known === undefined && (answer.seq < from || answer.seq > to)) {
        if (answer.clientId !== null && isOwn(answer)) pending.delete(answer.clientId)
        continue
      }
      // If not all events since then are remembered, what they have changed is newer than the answer.
      let message = known === undefined ? answer : dropped > since ? laterMessage(answer, known) : laterMessage(known, answer)
      for (const { at, event } of recent) if (at > since) message = fold(message, event, me().userId)
      set(message)
      wishes.fetched(message.id, since)
    }
    sort()
  }

  function resume (since: number, to = Infinity): boolean {
    const from = sorted[0]?.seq ?? 0
    for (const { at, event } of recent) if (at > since) apply(event, from, to)
    sort()
    return dropped <= since
  }

  function showMessage (message: OwnMessage): ChatMessage {
    const named = people.nameMessage(message)
    const own = isOwn(message)
    let view = shown.get(named)
    if (view?.own !== own) {
      view = { ...wishes.show(named), key: (own ? message.clientId : null) ?? message.id, own, error: null, uploads: NO_UPLOADS }
      shown.set(named, view)
    }
    return view
  }

  /** The quote of an unsent reply, as long as its original is loaded as that is now. */
  function quoteFor (entry: Pending): Quote | null {
    const original = entry.replyToId === null ? undefined : byId.get(entry.replyToId)
    if (original !== undefined) quotes.set(entry, quoteOf(people.nameMessage(original)))
    return quotes.get(entry) ?? null
  }

  function showPending (entry: Pending): ChatMessage {
    const { replyToId, ...content } = entry
    const { userId, user } = me()
    const senderId = userId ?? ''
    const { displayName, avatar, isBot } = user ?? { displayName: senderId, avatar: null, isBot: false }
    const view: ChatMessage = {
      ...unsent,
      ...content,
      id: entry.clientId,
      messageId: entry.clientId,
      key: entry.clientId,
      conversationId,
      seq: null,
      senderId,
      sender: people.name({ userId: senderId, displayName, avatar, isBot }),
      replyTo: quoteFor(entry),
      mentions: entry.mentions.map(({ userId, start = null, length = null }) => people.name({ userId, displayName: userId, start, length })),
      own: true
    }
    const known = shownPending.get(entry)
    const json = JSON.stringify(view)
    if (known?.json === json) return known.view
    shownPending.set(entry, { json, view })
    return view
  }

  return {
    pending,
    get oldestSeq () { return sorted[0]?.seq ?? null },
    get newestSeq () { return sorted.at(-1)?.seq ?? null },
    get newest () { return sorted.at(-1) },
    find: (messageId) => byId.get(messageId),
    mark: () => heard,
    hear (event, from = 0, to = Infinity) {
      recent.push({ at: ++heard, event })
      if (recent.length > RECENT_MAX) dropped = recent.shift()?.at ?? 0
      apply(event, from, to)
      wishes.hear(event)
      if (event[0] === 'reaction') touch(event[1].messageId)
      sort()
    },
    repeat (event, from, to) {
      apply(event, from, to)
      sort()
    },
    take,
    replace (messages, since, to = Infinity) {
      byId.clear()
      unsorted = true
      take(messages, since)
      resume(since, to)
    },
    resume,
    forget () { recent = [] },
    raise (from, to, statusAt) {
      for (const message of sorted) {
        if (message.seq <= from || message.seq > to || !isOwn(message)) continue
        const status = higherStatus(message.status, statusAt(message.seq))
        if (status !== message.status) set({ ...message, status })
      }
      sort()
    },
    react (messageId, emoji, on) {
      const settle = wishes.ask(messageId, emoji, on)
      touch(messageId)
      return (answer) => {
        settle(answer, ++heard)
        touch(messageId)
      }
    },
    countAfter: (seq, mentioning = false) => sorted.filter((message) => message.seq > seq && message.deletedAt === null && !isOwn(message) &&
      (!mentioning || isMentioned(message, me()))).length,
    newestOfOthers () {
      for (let i = sorted.length - 1; i >= 0; i--) {
        const message = sorted[i]
        if (message !== undefined && !isOwn(message)) return message
      }
      return undefined
    },
    view () {
      const { userId } = me()
      if (sent?.of !== sorted || sent.names !== people.version || sent.userId !== userId) {
        sent = { of: sorted, names: people.version, userId, views: sorted.map(showMessage) }
      }
      return pending.size === 0 ? sent.views : [...sent.views, ...Array.from(pending.values(), showPending)]
    }
  }
}
