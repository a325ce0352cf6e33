import type { JSX } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import type { ChatMessage, LiveConversation, Quote } from '../../client/index.js'
import { Attachments } from './attachments.js'
import { Avatar, tintOf } from './avatar.js'
import { useChat, useWords } from './context.js'
import { MoreIcon, ReactIcon, ReplyIcon, Ticks } from './icons.js'
import type { MessageActions } from './message-actions.js'
import { directionOf, isEmoji, RichText, useUnmarked } from './rich-text.js'
import type { Words } from './words.js'

interface Props {
  message: ChatMessage
  live: LiveConversation
  isGroup: boolean
  /** Whether the user does not want to see it: they block its sender. */
  folded: boolean
  /** Whether it is the first, or the last, of a run of messages that are drawn as one group. */
  first: boolean
  last: boolean
  actions: MessageActions
}

export function MessageBubble (props: Props): JSX.Element {
  const { message, isGroup, folded, first, last, actions } = props
  const [shown, setShown] = useState(false)
  const words = useWords()
  const { userId } = useChat()
  return useMemo(() => folded && !shown && message.deletedAt === null
    ? <Folded message={message} words={words} onShow={() => { setShown(true) }} />
    : bubble(props, words, userId), [message, isGroup, folded, shown, first, last, words, actions])
}

/** What stands for a message of somebody whom the user blocks, until they want to see it. */
function Folded ({ message: { key, seq }, words, onShow }: { message: ChatMessage, words: Words, onShow: () => void }): JSX.Element {
  return (
    <article class='message is-folded' data-key={key} data-seq={seq ?? undefined} tabIndex={-1} aria-label={words.ofBlocked}>
      <p class='note bubble'>{words.ofBlocked} <button type='button' class='link' tabIndex={-1} onClick={onShow}>{words.show}</button></p>
    </article>
  )
}

function bubble ({ message, live, isGroup, first, last, actions }: Props, words: Words, me: string): JSX.Element {
  const { key, own, senderId, sender, text, status, seq, createdAt, editedAt, deletedAt, deletedBy, error, mentions, mentionsAll, replyTo } = message
  const { growing } = message
  const deleted = deletedAt !== null
  const failed = status === 'failed'
  const hasFiles = !deleted && (message.attachments.length > 0 || message.uploads.length > 0)
  const big = !deleted && !hasFiles && replyTo === null && isEmoji(text)
  const forMe = !own && !deleted && (mentionsAll || mentions.some(({ userId }) => userId === me))
  const states = { own, first, last, big, deleted, failed, pending: status === 'sending', 'for-me': forMe, beside: isGroup && !own }
  const name = own ? words.you : sender.displayName

  return (
    <article
      class={['message', ...Object.entries(states).filter(([, is]) => is).map(([name]) => `is-${name}`)].join(' ')}
      data-key={key} data-seq={seq ?? undefined} tabIndex={-1} aria-label={words.messageBy(name, words.timeOfDay(createdAt))}
    >
      <div class='message-row'>
        {isGroup && !own && (last ? <Avatar id={senderId} name={sender.displayName} picture={sender.avatar} small /> : <span class='avatar-place' />)}
        <div class='bubble' part={own ? 'bubble bubble-own' : 'bubble'}>
          {isGroup && !own && first && <span class={`sender tint-${tintOf(senderId)}`}><bdi>{sender.displayName}</bdi></span>}
          {replyTo !== null && !deleted && <QuoteButton quote={replyTo} words={words} me={me} onClick={() => { actions.jump(replyTo.seq) }} />}
          {hasFiles && <Attachments message={message} onShow={(file) => { actions.show(file) }} />}
          <div class='body' dir={deleted ? undefined : directionOf(text)}>
            <div class='text'>
              {deleted
                ? deletedBy !== null && deletedBy !== senderId ? words.messageRemoved : words.messageDeleted
                : <RichText text={text} mentions={mentions} me={me} />}
              {growing && <span class='caret' role='img' aria-label={words.stillWriting} />}
            </div>
            <span class='meta'>
              {editedAt !== null && !deleted && <span>{words.edited}</span>}
              <time dateTime={createdAt} title={words.exactTime(createdAt)}>{words.timeOfDay(createdAt)}</time>
              {own && !deleted && <Ticks status={status} />}
            </span>
          </div>
        </div>
        {seq !== null && !deleted && (
          <span class='message-actions' aria-hidden='true'>
            <button type='button' title={words.react} tabIndex={-1} data-action='react'><ReactIcon /></button>
            <button type='button' title={words.reply} tabIndex={-1} data-action='reply'><ReplyIcon /></button>
            <button type='button' title={words.more} tabIndex={-1} data-action='menu'><MoreIcon /></button>
          </span>
        )}
      </div>
      {message.reactions.length > 0 && (
        <ul class='reactions' aria-label={words.reactions}>
          {message.reactions.map(({ emoji, count }) => {
            const mine = message.myReactions.includes(emoji)
            return (
              <li key={emoji}>
                <button
                  type='button' tabIndex={-1} class='reaction' aria-pressed={mine} aria-label={words.reactionOf(emoji, count)} data-emoji={emoji}
                  onClick={() => { actions.react(message, emoji, !mine) }}
                >
                  <span aria-hidden='true'>{emoji}</span> {count}
                </button>
              </li>
            )
          })}
        </ul>
      )}
      {status === 'sending' && message.uploads.some(({ file }) => file === null) && (
        <p class='failure'><button type='button' class='link' onClick={() => { actions.discard(message) }}>{words.cancel}</button></p>
      )}
      {growing && <p class='growing'><button type='button' class='link' onClick={() => { actions.stop(message) }}>{words.stop}</button></p>}
      {failed && (
        <p class='failure' role='alert'>
          <span>{words.notSentBecause(words.sentenceOf(error))}</span>
          <button type='button' class='link' onClick={() => { live.retry(key) }}>{words.tryAgain}</button>
          <button type='button' class='link' onClick={() => { actions.discard(message) }}>{words.discard}</button>
        </p>
      )}
    </article>
  )
}

/** The message that another one replies to. It leads there. */
function QuoteButton ({ quote, words, me, onClick }: { quote: Quote, words: Words, me: string, onClick: () => void }): JSX.Element {
  const { senderId, sender, text, truncated, deletedAt } = quote
  const name = senderId === me ? words.you : sender.displayName
  const said = useUnmarked(text)
  return (
    <button type='button' tabIndex={-1} class={`quote tint-${tintOf(senderId)}`} title={words.goToQuote} onClick={onClick}>
      <span class='for-readers'>{words.inReplyTo} </span>
      <b><bdi>{name}</bdi></b>
      {deletedAt === null ? <span dir='auto'>{said}{truncated && '…'}</span> : <i>{words.messageDeleted}</i>}
    </button>
  )
}
