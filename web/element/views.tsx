import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { ChatError, type ChatMessage } from '../../client/index.js'
import { Banner } from '../ui/banner.js'
import { ChatProvider, useChat, useWords, WordsProvider } from '../ui/context.js'
import { ConversationView } from '../ui/conversation.js'
import { useStore } from '../ui/hooks.js'
import { ComposeIcon } from '../ui/icons.js'
import { ConversationList } from '../ui/list.js'
import { NewsForReaders } from '../ui/news.js'
import { onDemand } from '../ui/on-demand.js'
import type { Words } from '../ui/words.js'
import type { Connection } from './connection.js'

const NewChat = onDemand(async () => (await import('./dialogs.js')).NewChat)

export interface ViewProps {
  /** The conversation that the host has chosen. */
  conversationId: ChatMessage['conversationId'] | null
  onSelect: (conversationId: string | null) => void
}

export interface FrameProps extends ViewProps {
  view: (props: ViewProps) => JSX.Element
  words: Words
  theme: string | null
  /** Null until there is a token. */
  connection: Connection | null
  onUnread: (count: number) => void
  onError: (error: Error) => void
  /** Opens the chat again. */
  onAgain: () => void
}

const isSignedOut = (error: unknown) => error instanceof ChatError && error.statusCode === 401

/** What an element shows: its view, once the chat is open. */
export function Frame ({ words, theme, connection, ...rest }: FrameProps): JSX.Element {
  return (
    <div class='chat-root' lang={words.language} data-theme={theme ?? undefined}>
      <WordsProvider value={words}>
        {connection === null ? <Waiting /> : <Connected connection={connection} {...rest} />}
      </WordsProvider>
    </div>
  )
}

function Waiting (): JSX.Element {
  const words = useWords()
  return <p class='empty is-filling' role='status'>{words.loading}</p>
}

function Connected ({ connection, onError, onAgain, ...rest }: Omit<FrameProps, 'words' | 'theme'> & { connection: Connection }): JSX.Element {
  const state = useStore(connection)
  const words = useWords()
  useEffect(() => { if (state.status === 'failed') onError(state.error) }, [state])
  if (state.status === 'opening') return <Waiting />
  if (state.status === 'open') return <ChatProvider value={state.chat}><Open {...rest} onError={onError} /></ChatProvider>
  return (
    <div class='empty is-filling' role='alert'>
      <p>{isSignedOut(state.error) ? words.signInExpired : words.sentenceOf(state.error)}</p>
      {!isSignedOut(state.error) && <button type='button' class='button' onClick={onAgain}>{words.tryAgain}</button>}
    </div>
  )
}

function Open ({ view: View, onUnread, onError, ...rest }: Omit<FrameProps, 'words' | 'theme' | 'connection' | 'onAgain'>): JSX.Element {
  const { session, list } = useChat()
  const words = useWords()
  const { error } = useStore(session)
  const { unreadCount, status } = useStore(list)
  useEffect(() => { if (status === 'ready') onUnread(unreadCount) }, [unreadCount, status])
  useEffect(() => { if (error !== null) onError(error) }, [error])
  if (isSignedOut(error)) return <p class='empty is-filling' role='alert'>{words.signInExpired}</p>
  return <View {...rest} />
}

/** One conversation, or the list and the conversation that the user selects. */
export function WindowView ({ conversationId, onSelect }: ViewProps): JSX.Element {
  const words = useWords()
  const [selected, setSelected] = useState<string | null>(null)
  const [making, setMaking] = useState(false)
  const alone = conversationId !== null
  const shown = conversationId ?? selected

  function select (id: string | null): void {
    setMaking(false)
    setSelected(id)
    onSelect(id)
  }

  return (
    <section class='pane' data-view={shown === null ? 'list' : 'conversation'} aria-label={words.appName}>
      <div class='pane-frame'>
        <Banner />
        <div class={`pane-rooms${alone ? ' is-single' : ''}`}>
          {!alone && (
            <nav class='sidebar' aria-label={words.conversations}>
              <header class='sidebar-head' part='header'>
                <h2 class='me'>{words.conversations}</h2>
                <button
                  type='button' class='icon-button' aria-label={words.newConversation} title={words.newConversation}
                  onClick={() => { setMaking(true) }}
                >
                  <ComposeIcon />
                </button>
              </header>
              <ConversationList selected={selected} onSelect={select} onNew={() => { setMaking(true) }} />
            </nav>
          )}
          {shown === null
            ? <p class='nothing-selected'>{words.chooseConversation}</p>
            : (
              <ConversationView
                key={shown} conversationId={shown} takesFocus={!alone} onBack={alone ? undefined : () => { select(null) }}
              />
              )}
        </div>
      </div>
      <NewsForReaders selected={shown} />
      {making && <NewChat onClose={() => { setMaking(false) }} onMade={select} />}
    </section>
  )
}

/** The list alone. */
export function ListView ({ conversationId, onSelect }: ViewProps): JSX.Element {
  const words = useWords()
  return (
    <section class='pane' data-view='list' aria-label={words.appName}>
      <div class='pane-frame'>
        <Banner />
        <div class='pane-rooms is-single'>
          <nav class='sidebar' aria-label={words.conversations}><ConversationList selected={conversationId} onSelect={onSelect} /></nav>
        </div>
      </div>
    </section>
  )
}
