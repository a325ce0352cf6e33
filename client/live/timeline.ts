import type { Message, MessageStatus } from '../../schemas/messages.js'
import type { User } from '../../schemas/users.js'
import { higherStatus, laterMessage } from './marks.js'
import type { People } from './people.js'

/** A message for a user interface: one of the conversation, or one that the user is sending. */
export type ChatMessage = Omit<Message, 'seq' | 'status'> & {
  /** A stable key for lists: it does not change when the message has been sent. */
  key: string
  /** Null until the message has been sent. */
  seq: number | null
  status: MessageStatus | 'sending' | 'failed'
  /** Whether the user sent it, from any device. */
  own: boolean
  /** Why it `failed`. Otherwise null. */
  error: Error | null
}

export interface Pending {
  clientId: string
  text: string
  type: string
  createdAt: string
  status: 'sending' | 'failed'
  error: Error | null
}

/** The loaded messages of a conversation in order, followed by the user's unsent ones. */
export interface Timeline {
  readonly oldestSeq: number | null
  readonly newestSeq: number | null
  readonly newest: Message | undefined
  find (messageId: string): Message | undefined
  /** Call it before a request, and pass the result to `take` or `replace`. */
  mark (): number
  /**
   * Takes the message of an event. A message below `from` is not added. Events arrive in order, so they take precedence
   * over responses.
   */
  hear (type: 'message' | 'messageUpdated' | 'messageDeleted', message: Message, from?: number): void
  /** Takes the messages of a response, except those below `from` and those that an event changed after `since`. */
  take (messages: readonly Message[], since: number, from?: number): void
  /** Takes the messages of a response in place of all others, except pending ones and those that events changed after `since`. */
  replace (messages: readonly Message[], since: number): void
  /** Raises the status of the user's own messages after `from`, up to and including `to`. */
  raise (from: number, to: number, statusAt: (seq: number) => MessageStatus): void
  /** The number of other users' messages after `seq` that are not deleted. */
  countAfter (seq: number): number
  /** The newest message of another user. */
  newestOfOthers (): Message | undefined
  pending: Map<string, Pending>
  view (): readonly ChatMessage[]
}

export function createTimeline (conversationId: string, me: () => { userId: string | null, user: User | null }, people: People): Timeline {
  const byId = new Map<string, Message>()
  /** The count of events when an event last changed the message. */
  const heardAt = new WeakMap<Message, number>()
  const pending = new Map<string, Pending>()
  /** The view of each object, so that an unchanged message keeps the same one. */
  const shown = new WeakMap<Message | Pending, ChatMessage>()
  let sorted: Message[] = []
  let heard = 0

  const isOwn = ({ senderId }: Message) => senderId === me().userId

  function sort (): void {
    sorted = [...byId.values()].sort((a, b) => a.seq - b.seq)
  }

  function set (message: Message, at: number | undefined): void {
    byId.set(message.id, message)
    if (at !== undefined) heardAt.set(message, at)
    if (message.clientId !== null && isOwn(message)) pending.delete(message.clientId)
  }

  function take (messages: readonly Message[], since: number, from = 0): void {
    for (const message of messages) {
      const known = byId.get(message.id)
      const at = known && heardAt.get(known)
      if (known === undefined) {
        if (message.seq >= from) set(message, undefined)
        else if (message.clientId !== null && isOwn(message)) pending.delete(message.clientId)
      } else if (at !== undefined && at > since && message.deletedAt === null) {
        set(laterMessage(message, known), at)
      } else {
        set(laterMessage(known, message), at)
      }
    }
    sort()
  }

  function showMessage (message: Message): ChatMessage {
    const own = isOwn(message)
    let view = shown.get(message)
    const sender = people.name(message.sender)
    if (view?.own !== own || view.sender.displayName !== sender.displayName || view.sender.avatar !== sender.avatar) {
      view = { ...message, sender, key: (own ? message.clientId : null) ?? message.id, own, error: null }
      shown.set(message, view)
    }
    return view
  }

  function showPending (entry: Pending): ChatMessage {
    const known = shown.get(entry)
    const { userId, user } = me()
    const senderId = userId ?? ''
    const sender = people.name(user === null
      ? { userId: senderId, displayName: senderId, avatar: null }
      : { userId: senderId, displayName: user.displayName, avatar: user.avatar })
    if (known?.senderId === senderId && known.sender.displayName === sender.displayName && known.sender.avatar === sender.avatar) return known
    const view: ChatMessage = {
      ...entry,
      id: entry.clientId,
      messageId: entry.clientId,
      key: entry.clientId,
      conversationId,
      seq: null,
      senderId,
      editedAt: null,
      deletedAt: null,
      sender,
      own: true
    }
    shown.set(entry, view)
    return view
  }

  return {
    pending,
    get oldestSeq () { return sorted[0]?.seq ?? null },
    get newestSeq () { return sorted.at(-1)?.seq ?? null },
    get newest () { return sorted.at(-1) },
    find: (messageId) => byId.get(messageId),
    mark: () => heard,
    hear (type, message, from = 0) {
      const known = byId.get(message.id)
      if (known === undefined && message.seq < from) return
      // A `message` event tells nothing new about a message that is already known.
      if (known !== undefined) set(type === 'message' ? laterMessage(message, known) : laterMessage(known, message), ++heard)
      else set(message, ++heard)
      sort()
    },
    take,
    replace (messages, since) {
      const first = messages[0]?.seq ?? 0
      for (const [id, message] of byId) if (message.seq < first || (heardAt.get(message) ?? 0) <= since) byId.delete(id)
      take(messages, since)
    },
    raise (from, to, statusAt) {
      for (const message of sorted) {
        if (message.seq <= from || message.seq > to || !isOwn(message)) continue
        const status = higherStatus(message.status, statusAt(message.seq))
        if (status !== message.status) set({ ...message, status }, heardAt.get(message))
      }
      sort()
    },
    countAfter: (seq) => sorted.filter((message) => message.seq > seq && message.deletedAt === null && !isOwn(message)).length,
    newestOfOthers () {
      for (let i = sorted.length - 1; i >= 0; i--) {
        const message = sorted[i]
        if (message !== undefined && !isOwn(message)) return message
      }
      return undefined
    },
    view: () => [...sorted.map(showMessage), ...Array.from(pending.values(), showPending)]
  }
}
