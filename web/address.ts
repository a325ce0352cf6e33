import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { OnOverlay } from './ui/dialog.js'

export type Select = (conversationId: string | null) => void

interface Address {
  selected: string | null
  select: Select
  /** Going back closes what is open over the page, and then only the conversation. */
  onOverlay: OnOverlay
}

/** The selected conversation, kept in the address: the back button leads to the list, and a reload to the conversation. */
export function useAddress (): Address {
  const read = () => {
    try {
      return decodeURIComponent(location.hash.replace(/^#\/?/, '')) || null
    } catch {
      return null
    }
  }
  const [selected, setSelected] = useState(read)
  const overlays = useRef<(() => void)[]>([])
  const shown = useRef(selected)
  shown.current = selected

  useEffect(() => {
    const listener = () => {
      const close = overlays.current.at(-1)
      if (close === undefined) return setSelected(read())
      // The step back was meant for the dialog: stay where it was opened.
      if (shown.current !== null && read() !== shown.current) history.pushState('within', '', `#/${encodeURIComponent(shown.current)}`)
      close()
    }
    addEventListener('popstate', listener)
    return () => { removeEventListener('popstate', listener) }
  }, [])

  const select = useCallback<Select>((id) => {
    if (id === read()) return setSelected(id)
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

  const onOverlay = useMemo<OnOverlay>(() => (close) => {
    overlays.current.push(close)
    return () => { overlays.current = overlays.current.filter((other) => other !== close) }
  }, [])
  return { selected, select, onOverlay }
}
