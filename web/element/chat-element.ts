import { createElement, render, type JSX } from 'preact'
import { ChatError } from '../../client/index.js'
import type { ChatElementEvents, ChatElementProperties, ChatToken } from '../chat.js'
import { loadWords, type Words } from '../ui/words.js'
import { connect, type Connection } from './connection.js'
import { sheets } from './sheets.js'
import { Frame, type FrameProps, type ViewProps } from './views.js'

/** Nothing on a server, where the module may be loaded but shows nothing. */
const Base = globalThis.HTMLElement ?? class {} as typeof HTMLElement
/** Properties that a page may have set before the element was registered. */
const early = ['token', 'server', 'conversation', 'theme'] as const

type Details = { [E in keyof ChatElementEvents]: ChatElementEvents[E]['detail'] }

/** A custom element that shows a user's chat in a shadow tree. */
export abstract class ChatElement extends Base implements ChatElementProperties {
  static readonly observedAttributes = ['server', 'conversation', 'theme', 'lang']

  readonly #base: HTMLElement
  #token: ChatToken | null = null
  #connection: Connection | null = null
  #words: Words | null = null
  #tag: string | null = null
  #changing = false

  constructor () {
    super()
    const root = this.attachShadow({ mode: 'open' })
    root.adoptedStyleSheets = sheets()
    this.#base = document.createElement('div')
    this.#base.className = 'chat-base'
    root.append(this.#base)
    // To the page, all that is typed here is typed at an element that is no field: it would take letters for its own keys.
    for (const type of ['keydown', 'keypress', 'keyup']) root.addEventListener(type, (event) => { event.stopPropagation() })
  }

  /** What it shows of the chat. */
  abstract readonly view: (props: ViewProps) => JSX.Element
  /** Called when the user selects a conversation, or goes back to the list. */
  protected selected (_conversationId: string | null): void {}

  connectedCallback (): void {
    for (const name of early) {
      if (!Object.hasOwn(this, name)) continue
      const { [name]: value } = this
      delete (this as Partial<this>)[name]
      Object.assign(this, { [name]: value })
    }
    this.#changed()
  }

  disconnectedCallback (): void { this.#changed() }
  attributeChangedCallback (): void { this.#changed() }

  get token (): ChatToken | null { return this.#token }
  /** Setting it again opens a chat that was signed out. */
  set token (token: ChatToken | null) {
    this.#token = token
    if (this.#ended) this.#leave()
    this.#changed()
  }

  get server (): string | null { return this.getAttribute('server') }
  set server (value: string | null) { this.#reflect('server', value) }
  get conversation (): string | null { return this.getAttribute('conversation') }
  set conversation (value: string | null) { this.#reflect('conversation', value) }
  get theme (): string | null { return this.getAttribute('theme') }
  set theme (value: string | null) { this.#reflect('theme', value) }

  /** Moves the focus to the field for a message, or else to the first thing that takes it. */
  override focus (options?: FocusOptions): void {
    this.#base.querySelector<HTMLElement>('.composer textarea, button, input')?.focus(options)
  }

  #reflect (name: string, value: string | null): void {
    if (value == null) this.removeAttribute(name)
    else this.setAttribute(name, value)
  }

  get #ended (): boolean {
    const state = this.#connection?.getSnapshot()
    return state?.status === 'failed' || (state?.status === 'open' && state.chat.session.getSnapshot().error !== null)
  }

  #leave (): void {
    this.#connection?.leave()
    this.#connection = null
  }

  /** Takes all changes of one turn together. */
  #changed (): void {
    if (this.#changing) return
    this.#changing = true
    queueMicrotask(() => {
      this.#changing = false
      this.#update()
    })
  }

  #update (): void {
    const { server, token } = this
    if (!this.isConnected) {
      this.#leave()
      render(null, this.#base)
      return
    }
    if (this.#connection !== null && (this.#connection.server !== server || this.#connection.token !== token)) this.#leave()
    if (this.#connection === null && token !== null) this.#connection = connect(server, token)

    const tag = this.closest<HTMLElement>('[lang]')?.lang || navigator.language
    if (tag !== this.#tag) {
      this.#tag = tag
      void loadWords(tag).then((words) => {
        if (this.#tag !== tag) return
        this.#words = words
        this.#changed()
      })
    }
    if (this.#words !== null) this.#draw(this.#words)
  }

  #draw (words: Words): void {
    const { conversation, theme, view } = this
    const props: FrameProps = {
      view,
      words,
      theme,
      connection: this.#connection,
      conversationId: conversation,
      onSelect: (conversationId) => {
        this.selected(conversationId)
        this.#tell('select', { conversationId })
      },
      onUnread: (count) => { this.#tell('unread', { count }) },
      onError: (error) => {
        if (error instanceof ChatError && error.statusCode === 401) this.#tell('signed-out', { error })
        else this.#tell('error', { error })
      },
      onAgain: () => {
        this.#leave()
        this.#changed()
      }
    }
    render(createElement(Frame, props), this.#base)
  }

  #tell<E extends keyof Details> (type: E, detail: Details[E]): void {
    this.dispatchEvent(new CustomEvent(type, { detail }))
  }
}
