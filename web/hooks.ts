import { useCallback, useEffect, useLayoutEffect, useReducer, useState } from 'preact/hooks'
import type { ChatSession, Store } from '../client/index.js'

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

/** How long a stream may take to reconnect before it counts as lost, in milliseconds. */
const BLINK_MS = 800

/** Whether the stream is connected: without it, nobody is known to be online. Short interruptions do not count. */
export function useConnected (session: ChatSession): boolean {
  return !useLasting(useStore(session).status !== 'connected', BLINK_MS)
}

/** Whether the page is visible. */
export function useVisible (): boolean {
  const [visible, setVisible] = useState(document.visibilityState === 'visible')
  useEffect(() => {
    const listener = () => { setVisible(document.visibilityState === 'visible') }
    document.addEventListener('visibilitychange', listener)
    return () => { document.removeEventListener('visibilitychange', listener) }
  }, [])
  return visible
}

export type Select = (conversationId: string | null) => void

/** The selected conversation, kept in the address: the back button leads to the list, and a reload to the conversation. */
export function useSelectedInAddress (): [string | null, Select] {
  const read = () => {
    try {
      return decodeURIComponent(location.hash.replace(/^#\/?/, '')) || null
    } catch {
      return null
    }
  }
  const [selected, setSelected] = useState(read)
  useEffect(() => {
    const listener = () => { setSelected(read()) }
    addEventListener('popstate', listener)
    return () => { removeEventListener('popstate', listener) }
  }, [])
  const select = useCallback<Select>((id) => {
    if (id === read()) return
    const within = history.state === 'within'
    if (id === null) {
      if (within) return history.back()
      history.replaceState(null, '', location.pathname + location.search)
    } else {
      // The history has one step from the list to a conversation, however many the user visits.
      if (within) history.replaceState('within', '', `#/${encodeURIComponent(id)}`)
      else history.pushState('within', '', `#/${encodeURIComponent(id)}`)
    }
    setSelected(id)
  }, [])
  return [selected, select]
}
