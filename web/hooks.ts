import { useCallback, useEffect, useLayoutEffect, useReducer, useState } from 'preact/hooks'
import type { ChatSession, Store } from '../client/index.js'

/** The state of a store, now and after every change. */
export function useStore<T> (store: Store<T>): T {
  const [, render] = useReducer((count: number) => count + 1, 0)
  const snapshot = store.getSnapshot()
  useLayoutEffect(() => {
    if (store.getSnapshot() !== snapshot) render(undefined)
    return store.subscribe(() => { render(undefined) })
  }, [store])
  return snapshot
}

/** The time, every half minute. */
export function useNow (): Date {
  const [now, setNow] = useState(() => new Date())
  useEffect(() => {
    const timer = setInterval(() => { setNow(new Date()) }, 30_000)
    return () => { clearInterval(timer) }
  }, [])
  return now
}

/** True once `value` has been true for so long. */
export function useLasting (value: boolean, ms: number): boolean {
  const [lasting, setLasting] = useState(false)
  useEffect(() => {
    if (!value) return setLasting(false)
    const timer = setTimeout(setLasting, ms, true)
    return () => { clearTimeout(timer) }
  }, [value, ms])
  return value && lasting
}

/** So long a stream may take to come back before it counts as lost, in milliseconds. */
const BLINK_MS = 800

/** Whether the stream tells what happens: without it, nobody is known to be online. Short losses don't count. */
export function useConnected (session: ChatSession): boolean {
  return !useLasting(useStore(session).status !== 'connected', BLINK_MS)
}

/** Whether the page is in front. */
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

/** What is selected, in the address: going back goes back to the list, and a reload comes back to the conversation. */
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
      // One step from the list to a conversation, however many are looked at.
      if (within) history.replaceState('within', '', `#/${encodeURIComponent(id)}`)
      else history.pushState('within', '', `#/${encodeURIComponent(id)}`)
    }
    setSelected(id)
  }, [])
  return [selected, select]
}
