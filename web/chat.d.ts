// The custom elements `<chat-window>` and `<chat-list>`, as their users see them. The build puts this file beside chat.js.

import type { ChatError } from '../client/index.js'

/** What both elements have. Each attribute is a property, too. */
export interface ChatElementProperties {
  /** The URL of the service. Default: the page's own origin. */
  server: string | null
  /** The user's JWT, or a function that returns one. Elements with the same server and token share one stream. */
  token: ChatToken | null
  /** `light` or `dark`. Default: as the system is. */
  theme: string | null
  /** The language, as a BCP 47 tag. Default: that of the element around it, else the browser's. */
  lang: string
  /** The conversation that is shown, or selected in the list. */
  conversation: string | null
}

/** A JWT, or a function that returns one. `fresh` is true if the last one was refused or is about to expire. */
export type ChatToken = string | ((request: { fresh: boolean }) => string | Promise<string>)

export interface ChatElementEvents {
  /** The number of unread messages has changed. */
  unread: CustomEvent<{ count: number }>
  /** The user has selected a conversation, or (null) gone back to the list. */
  select: CustomEvent<{ conversationId: string | null }>
  /** The chat cannot be opened, or its stream has ended for good. */
  error: CustomEvent<{ error: ChatError | Error }>
  /** The token is not, or no longer, accepted. Set another one. */
  'signed-out': CustomEvent<{ error: ChatError }>
}

export interface ChatElement extends HTMLElement, ChatElementProperties {
  addEventListener<K extends keyof ChatElementEvents> (
    type: K, listener: (event: ChatElementEvents[K]) => void, options?: boolean | AddEventListenerOptions
  ): void
  addEventListener (type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void
  removeEventListener<K extends keyof ChatElementEvents> (
    type: K, listener: (event: ChatElementEvents[K]) => void, options?: boolean | EventListenerOptions
  ): void
  removeEventListener (type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void
}

/** One conversation; without the attribute `conversation`, the user's list and the conversation that they select. */
export interface ChatWindowElement extends ChatElement {}
/** The user's conversations. */
export interface ChatListElement extends ChatElement {}

/** Registers both elements, unless they are. The module has done so when it was loaded. */
export function defineChatElements (): void

declare global {
  interface HTMLElementTagNameMap {
    'chat-window': ChatWindowElement
    'chat-list': ChatListElement
  }
}
