import { createContext } from 'preact'
import { useContext, useEffect, useLayoutEffect, useReducer, useState } from 'preact/hooks'
import type { ChatSession, Store } from '../../client/index.js'

/** The state of a store. The component renders again after every change. */
export function useStore<T> (store: Store<T>): T {
  const [, render] = useReducer((count: number) => count + 1, 0)
  const snapshot = store.getSnapshot()
  useLayoutEffect(() => {
    if (store.getSnapshot() !== snapshot) render(undefined)
    return store.subscribe(() => { render(undefined) })
  }, [store])
  return snapshot
}

/** The time, updated every half minute. */
export function useNow (): Date {
  const [now, setNow] = useState(() => new Date())
  useEffect(() => {
    const timer = setInterval(() => { setNow(new Date()) }, 30_000)
    return () => { clearInterval(timer) }
  }, [])
  return now
}

/** True once `value` has been true for `ms` milliseconds. */
export function useLasting (value: boolean, ms: number): boolean {
  const [lasting, setLasting] = useState(false)
  useEffect(() => {
    if (!value) return setLasting(false)
    const timer = setTimeout(setLasting, ms, true)
    return () => { clearTimeout(timer) }
  }, [value, ms])
  return value && lasting
}

/** How long the service may not be reached before it counts as lost, in milliseconds. */
const BLINK_MS = 800

/** Whether the service is reached: without it, nobody is known to be online. Short interruptions do not count. */
export function useConnected (session: ChatSession): boolean {
  const { status, reachable } = useStore(session)
  return !useLasting(status !== 'connected' || !reachable, BLINK_MS)
}

const isActive = () => document.visibilityState === 'visible' && document.hasFocus()

const Looking = createContext(true)
/** Says of the parts within whether the user looks at them, if they look at the page. Default: true. */
export const LookingProvider = Looking.Provider

/** Whether the user is looking: the page is visible, and its window has the focus. */
export function useActive (): boolean {
  const looking = useContext(Looking)
  const [active, setActive] = useState(isActive)
  useEffect(() => {
    const listener = () => { setActive(isActive()) }
    listener()
    document.addEventListener('visibilitychange', listener)
    addEventListener('focus', listener)
    addEventListener('blur', listener)
    return () => {
      document.removeEventListener('visibilitychange', listener)
      removeEventListener('focus', listener)
      removeEventListener('blur', listener)
    }
  }, [])
  return active && looking
}

/** The element that has the focus, within a shadow tree too. */
export const focused = (within: Node): HTMLElement | null => (within.getRootNode() as Document | ShadowRoot).activeElement as HTMLElement | null

/**
 * Moves the focus to a message without scrolling. A block that has just come onto the screen takes a frame to be laid out, and before,
 * nothing in it can have the focus.
 */
export function takeFocus (element: HTMLElement | null, frames = 3): void {
  element?.focus({ preventScroll: true })
  if (element != null && focused(element) !== element && frames > 0) requestAnimationFrame(() => { takeFocus(element, frames - 1) })
}

/** Whether the user has selected a text around an element. Not every browser tells of selections within a shadow tree. */
export function hasSelection (element: Node): boolean {
  const { getSelection } = element.getRootNode() as { getSelection?: () => Selection | null }
  return (getSelection === undefined ? document.getSelection() : getSelection.call(element.getRootNode()))?.isCollapsed === false
}

/** Whether the keyboard composes a character: the key belongs to the input method. WebKit ends composing before the key that ended it. */
export const isComposing = (event: KeyboardEvent): boolean => event.isComposing || event.keyCode === 229
