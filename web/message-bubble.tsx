import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import type { ChatMessage, LiveConversation } from '../client/index.js'
import { Avatar, tintOf } from './avatar.js'
import { DeleteIcon, EditIcon, Ticks } from './icons.js'
import { isEmoji, RichText } from './rich-text.js'
import { exactTime, timeOfDay } from './time.js'
import { sentenceOf } from './words.js'

interface Props {
  message: ChatMessage
  live: LiveConversation
  isGroup: boolean
  /** Whether the keyboard has selected it. */
  current: boolean
  /** Whether it is the first, or the last, of a run of messages that are drawn as one group. */
  first: boolean
  last: boolean
  onEdit: (message: ChatMessage) => void
  onDelete: (message: ChatMessage) => void
}

export function MessageBubble (props: Props): JSX.Element {
  const { message, isGroup, current, first, last } = props
  return useMemo(() => bubble(props), [message, isGroup, current, first, last])
}

function bubble ({ message, live, isGroup, current, first, last, onEdit, onDelete }: Props): JSX.Element {
  const { key, own, senderId, sender, text, status, seq, createdAt, editedAt, deletedAt, error } = message
  const deleted = deletedAt !== null
  const failed = status === 'failed'
  const big = !deleted && isEmoji(text)
  const states = { own, first, last, big, deleted, failed, pending: status === 'sending' }

  return (
    <article
      class={['message', ...Object.entries(states).filter(([, is]) => is).map(([name]) => `is-${name}`)].join(' ')}
      data-key={key} data-seq={seq} tabIndex={-1} aria-label={`${own ? 'You' : sender.displayName}, ${timeOfDay(createdAt)}`}
    >
      <div class='message-row'>
        {isGroup && !own && (last ? <Avatar id={senderId} name={sender.displayName} picture={sender.avatar} small /> : <span class='avatar-place' />)}
        <div class='bubble'>
          {isGroup && !own && first && <span class={`sender tint-${tintOf(senderId)}`} dir='auto'>{sender.displayName}</span>}
          <p class='text' dir='auto'>{deleted ? 'Message deleted' : <RichText text={text} />}</p>
          <span class='meta'>
            {editedAt !== null && !deleted && <span>edited</span>}
            <time dateTime={createdAt} title={exactTime(createdAt)}>{timeOfDay(createdAt)}</time>
            {own && !deleted && <Ticks status={status} />}
          </span>
        </div>
        {own && seq !== null && !deleted && (
          <span class='message-actions'>
            <button type='button' aria-label='Edit' title='Edit' tabIndex={current ? 0 : -1} onClick={() => { onEdit(message) }}><EditIcon /></button>
            <button
              type='button' aria-label='Delete' title='Delete' tabIndex={current ? 0 : -1} onClick={() => { onDelete(message) }}
            >
              <DeleteIcon />
            </button>
          </span>
        )}
      </div>
      {failed && (
        <p class='failure' role='alert'>
          <span>Not sent. {sentenceOf(error)}</span>
          <button type='button' class='link' onClick={() => { live.retry(key) }}>Try again</button>
          <button type='button' class='link' onClick={() => { live.discard(key) }}>Discard</button>
        </p>
      )}
    </article>
  )
}
