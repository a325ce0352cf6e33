import { Component, type ComponentChildren, type JSX } from 'preact'
import type { ChatMessage, ConversationChange, LiveConversation } from '../../client/index.js'
import { lineOf } from './lines.js'
import type { MessageActions } from './message-actions.js'
import { MessageBubble } from './message-bubble.js'
import { dayOf } from './time.js'
import type { Words } from './words.js'

/** A pause of this length ends a group of messages, in milliseconds. */
const PAUSE_MS = 5 * 60_000
/** The number of messages of a block. */
const BLOCK = 32

/** Consecutive messages, so that a block keeps its messages when older ones appear above it. Unsent ones are in a block of their own. */
export function blocksOf (messages: readonly ChatMessage[]): [key: string, messages: ChatMessage[]][] {
  const blocks: [key: string, messages: ChatMessage[]][] = messages[0]?.seq == null ? [['none', []]] : []
  for (const message of messages) {
    const key = message.seq === null ? 'unsent' : String(Math.floor(message.seq / BLOCK))
    const last = blocks.at(-1)
    if (last?.[0] === key) last[1].push(message)
    else blocks.push([key, [message]])
  }
  return blocks
}

export interface BlockProps {
  messages: readonly ChatMessage[]
  /** What happened before, between and after them. */
  changes: readonly ConversationChange[]
  /** The messages around the block. */
  before: ChatMessage | undefined
  after: ChatMessage | undefined
  /** The message above which the line of new messages is. */
  lineKey: string | null
  live: LiveConversation
  isGroup: boolean
  /** The ids of users whom the user blocks. */
  blocked: ReadonlySet<string>
  me: string
  /** The day it is, so that names of days change at midnight. */
  today: string
  now: Date
  words: Words
  actions: MessageActions
}

const sameItems = (a: readonly unknown[], b: readonly unknown[]) => a.length === b.length && a.every((item, index) => item === b[index])

/** Whether two consecutive messages belong to one group. */
const belongs = (a: ChatMessage, b: ChatMessage): boolean =>
  a.senderId === b.senderId && Date.parse(b.createdAt) - Date.parse(a.createdAt) < PAUSE_MS && dayOf(a.createdAt) === dayOf(b.createdAt)

/**
 * Some consecutive messages. A block is drawn again only if one of them changes, and the browser lays it out only near the
 * screen, so a long history costs no more than a short one. What is loaded can still be found with the browser's search.
 */
export class MessageBlock extends Component<BlockProps> {
  override shouldComponentUpdate ({ messages, changes, now, ...next }: BlockProps): boolean {
    const props = this.props
    return !sameItems(messages, props.messages) || !sameItems(changes, props.changes) ||
      Object.entries(next).some(([name, value]) => value !== props[name as keyof typeof next])
  }

  override render (): JSX.Element {
    const { messages, changes, before: first, after: last, lineKey, live, isGroup, blocked, me, now, words, actions } = this.props
    const lines = changes.map((change) => ({ change, text: lineOf(change, me, words) })).filter(({ text }) => text !== null)
    const linesAfter = (from: number, to: number): ComponentChildren[] => lines
      .filter(({ change: { afterSeq } }) => afterSeq >= from && afterSeq < to)
      .map(({ change: { data: { eventSeq } }, text }) => <p key={`line ${eventSeq}`} class='note' dir='auto'>{text}</p>)
    const interrupted = (message: ChatMessage | undefined) => lines.some(({ change }) => change.afterSeq + 1 === message?.seq)
    let shown = 0
    const rows = messages.flatMap((message, index) => {
      const before = index === 0 ? first : messages[index - 1]
      const after = messages[index + 1] ?? last
      const newDay = before === undefined || dayOf(before.createdAt) !== dayOf(message.createdAt)
      const isLine = message.key === lineKey
      const seq = message.seq ?? Infinity
      const above = linesAfter(shown, seq)
      shown = seq
      return [
        newDay && <div key={`day ${message.key}`} class='day' role='separator'><span>{words.dayName(message.createdAt, now)}</span></div>,
        ...above,
        isLine && <div key='unread' class='day is-unread' role='separator'><span>{words.newLine}</span></div>,
        <MessageBubble
          key={message.key} message={message} live={live} isGroup={isGroup} folded={isGroup && blocked.has(message.senderId)} actions={actions}
          first={newDay || isLine || above.length > 0 || before === undefined || !belongs(before, message)}
          last={after === undefined || after.key === lineKey || interrupted(after) || !belongs(message, after)}
        />
      ]
    })
    return <div class='block'>{rows}{linesAfter(shown, Infinity)}</div>
  }
}
