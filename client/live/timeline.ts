import type { Message, MessageStatus } from '../../schemas/messages.js'
import type { User } from '../../schemas/users.js'

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

const rank = { sent: 0, delivered: 1, read: 2 } as const satisfies Record<MessageStatus, number>

export const higherStatus = (a: MessageStatus, b: MessageStatus): MessageStatus => rank[a] >= rank[b] ? a : b
export const lowerStatus = (a: MessageStatus, b: MessageStatus): MessageStatus => rank[a] <= rank[b] ? a : b

/** Of two states of one message the later one, whichever arrived first. Deleting is final, and a status never goes back. */
export function newerMessage (a: Message, b: Message): Message {
  const bIsLater = a.deletedAt === null && (b.deletedAt !== null || (b.editedAt ?? '') >= (a.editedAt ?? ''))
  const later = bIsLater ? b : a
  const status = higherStatus(a.status, b.status)
  return later.status === status ? later : { ...later, status }
}

/** A conversation's messages in order, the user's own unsent ones at the end. */
export interface Timeline {
  readonly oldestSeq: number | null
  readonly newestSeq: number | null
  find (messageId: string): Message | undefined
  /** Adds messages, save those before `from`, or what is newer in them; takes a pending one off that one of them is. */
  add (messages: readonly Message[], from?: number): void
  /** Forgets all but the pending ones first. */
  replace (messages: readonly Message[]): void
  /** Lets the status of the user's messages grow, `from` exclusive and `to` inclusive. */
  raise (from: number, to: number, statusAt: (seq: number) => MessageStatus): void
  /** Others' messages after `seq`. */
  countAfter (seq: number): number
  /** The newest message of somebody else. */
  newestOfOthers (): Message | undefined
  pending: Map<string, Pending>
  view (): readonly ChatMessage[]
}

export function createTimeline (conversationId: string, me: () => { userId: string | null, user: User | null }): Timeline {
  const byId = new Map<string, Message>()
  const pending = new Map<string, Pending>()
  /** What was shown for an object, so that it is shown by the same one again. */
  const shown = new WeakMap<Message | Pending, ChatMessage>()
  let sorted: Message[] = []

  const isOwn = ({ senderId }: Message) => senderId === me().userId

  function sort (): void {
    sorted = [...byId.values()].sort((a, b) => a.seq - b.seq)
  }

  function add (messages: readonly Message[], from = 0): void {
    for (const message of messages) {
      const known = byId.get(message.id)
      if (message.seq >= from) byId.set(message.id, known === undefined ? message : newerMessage(known, message))
      if (message.clientId !== null && isOwn(message)) pending.delete(message.clientId)
    }
    sort()
  }

  function showMessage (message: Message): ChatMessage {
    const own = isOwn(message)
    let view = shown.get(message)
    if (view?.own !== own) {
      view = { ...message, key: (own ? message.clientId : null) ?? message.id, own, error: null }
      shown.set(message, view)
    }
    return view
  }

  function showPending (entry: Pending): ChatMessage {
    const known = shown.get(entry)
    const { userId, user } = me()
    const senderId = userId ?? ''
    if (known?.senderId === senderId && known.sender.displayName === (user?.displayName ?? senderId)) return known
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
      sender: { userId: senderId, displayName: user?.displayName ?? senderId, avatar: user?.avatar ?? null },
      own: true
    }
    shown.set(entry, view)
    return view
  }

  return {
    pending,
    get oldestSeq () { return sorted[0]?.seq ?? null },
    get newestSeq () { return sorted.at(-1)?.seq ?? null },
    find: (messageId) => byId.get(messageId),
    add,
    replace (messages) {
      byId.clear()
      add(messages)
    },
    raise (from, to, statusAt) {
      for (const message of sorted) {
        if (message.seq <= from || message.seq > to || !isOwn(message)) continue
        const status = higherStatus(message.status, statusAt(message.seq))
        if (status !== message.status) byId.set(message.id, { ...message, status })
      }
      sort()
    },
    countAfter: (seq) => sorted.filter((message) => message.seq > seq && !isOwn(message)).length,
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
