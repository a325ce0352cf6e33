import type { Message, MessageStatus } from '../../schemas/messages.js'
import type { User } from '../../schemas/users.js'
import { higherStatus, laterMessage } from './marks.js'
import type { People } from './people.js'

/** A message as a user interface shows it: one of the conversation's, or one of the user's own on its way there. */
export type ChatMessage = Omit<Message, 'seq' | 'status'> & {
  /** The same from the moment of sending on: for lists that want a stable key. */
  key: string
  /** Null until it has been sent. */
  seq: number | null
  status: MessageStatus | 'sending' | 'failed'
  /** Sent by the user, from whatever device. */
  own: boolean
  /** Why it `failed`. */
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

/** A conversation's messages in order, the user's own unsent ones at the end. */
export interface Timeline {
  readonly oldestSeq: number | null
  readonly newestSeq: number | null
  readonly newest: Message | undefined
  find (messageId: string): Message | undefined
  /** To be called before a fetch or a call, for `take`. */
  mark (): number
  /**
   * Takes what an event told; one from before `from` isn't added. The stream is in order, so what it tells counts for
   * more than what an answer told.
   */
  hear (type: 'message' | 'messageUpdated' | 'messageDeleted', message: Message, from?: number): void
  /** Takes an answer's messages, save those before `from` and what was heard of since the call was made. */
  take (messages: readonly Message[], since: number, from?: number): void
  /** Forgets all but the pending ones, and what was heard since, first. */
  replace (messages: readonly Message[], since: number): void
  /** Lets the status of the user's messages grow, `from` exclusive and `to` inclusive. */
  raise (from: number, to: number, statusAt: (seq: number) => MessageStatus): void
  /** Others' messages after `seq` that have not been deleted. */
  countAfter (seq: number): number
  /** The newest message of somebody else. */
  newestOfOthers (): Message | undefined
  pending: Map<string, Pending>
  view (): readonly ChatMessage[]
}

export function createTimeline (conversationId: string, me: () => { userId: string | null, user: User | null }, people: People): Timeline {
  const byId = new Map<string, Message>()
  /** When each message was heard of last, counted. */
  const heardAt = new WeakMap<Message, number>()
  const pending = new Map<string, Pending>()
  /** What was shown for an object, so that it is shown by the same one again. */
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
      // Its creation tells nothing new of a message that is known.
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
