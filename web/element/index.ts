import { ChatElement } from './chat-element.js'
import { ListView, WindowView } from './views.js'

// The types of this module stand in ../chat.d.ts.

class ChatWindow extends ChatElement {
  override readonly view = WindowView
}

class ChatList extends ChatElement {
  override readonly view = ListView
  /** The list shows what is selected, also where the host does nothing with it. */
  protected override selected (conversationId: string | null): void { this.conversation = conversationId }
}

/** Registers both elements, unless they are. */
export function defineChatElements (): void {
  // There is no registry on a server.
  const { customElements: registry } = globalThis as { customElements?: CustomElementRegistry }
  if (registry?.get('chat-window') === undefined) registry?.define('chat-window', ChatWindow)
  if (registry?.get('chat-list') === undefined) registry?.define('chat-list', ChatList)
}

defineChatElements()
