import { createElement, useEffect, useRef, type CSSProperties, type FunctionComponent } from 'react'
import type { ChatElementEvents, ChatToken } from '../web/chat.js'

export interface ChatElementProps {
  /** The URL of the service. Default: the page's own origin. */
  server?: string | undefined
  /** The user's JWT, or a function that returns one. Keep the function the same from render to render. */
  token: ChatToken | null
  /** The conversation that is shown, or selected in the list. */
  conversation?: string | null | undefined
  /** Default: as the system is. */
  theme?: 'light' | 'dark' | undefined
  /** The language, as a BCP 47 tag. Default: that of the element around it, else the browser's. */
  lang?: string | undefined
  id?: string | undefined
  className?: string | undefined
  style?: CSSProperties | undefined
  onUnread?: ((count: number) => void) | undefined
  /** Called when the user selects a conversation, or (with null) goes back to the list. */
  onSelect?: ((conversationId: string | null) => void) | undefined
  onError?: ((error: Error) => void) | undefined
  /** The token is not, or no longer, accepted. */
  onSignedOut?: (() => void) | undefined
}

/** The elements as this module uses them: types of browsers are not known here. */
interface Element {
  token: ChatToken | null
  addEventListener (type: string, listener: (event: never) => void): void
  removeEventListener (type: string, listener: (event: never) => void): void
}

/** A component that shows a custom element. The element's code is loaded by the first one that is mounted, so never on a server. */
function componentOf (name: 'chat-window' | 'chat-list'): FunctionComponent<ChatElementProps> {
  return function ChatElement ({ server, token, conversation, theme, lang, id, className, style, ...callbacks }) {
    const element = useRef<Element>(null)
    const latest = useRef(callbacks)
    latest.current = callbacks

    useEffect(() => {
      import('../web/chat.js').catch((error: unknown) => { latest.current.onError?.(error as Error) })
    }, [])
    useEffect(() => {
      if (element.current !== null) element.current.token = token
    }, [token])
    useEffect(() => {
      const { current } = element
      if (current === null) return
      const listeners: { [E in keyof ChatElementEvents]: (event: ChatElementEvents[E]) => void } = {
        unread: ({ detail }) => { latest.current.onUnread?.(detail.count) },
        select: ({ detail }) => { latest.current.onSelect?.(detail.conversationId) },
        error: ({ detail }) => { latest.current.onError?.(detail.error) },
        'signed-out': () => { latest.current.onSignedOut?.() }
      }
      for (const [type, listener] of Object.entries(listeners)) current.addEventListener(type, listener)
      return () => { for (const [type, listener] of Object.entries(listeners)) current.removeEventListener(type, listener) }
    }, [])

    // React 18 passes what it does not know of a custom element as attributes, `className` included.
    return createElement(name, { ref: element, server, conversation: conversation ?? undefined, theme, lang, id, class: className, style })
  }
}

/** `<chat-window>`: one conversation; without `conversation`, the user's list and the conversation that they select. */
export const ChatWindow = componentOf('chat-window')
/** `<chat-list>`: the user's conversations. */
export const ChatList = componentOf('chat-list')
