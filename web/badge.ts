import { useEffect } from 'preact/hooks'
import { useLasting } from './ui/hooks.js'
import { usePageWords } from './words.js'

/** The icon of the page with a dot, as a data URL. */
const dotted = `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="16" fill="#0f5c4d"/>
<path d="M32 13c11.6 0 20 7.6 20 17.4s-8.4 17.4-20 17.4c-2 0-3.9-.2-5.7-.6L15.8 52l2.2-9.3C14.3 39.6 12 35.3 12 30.4 12 20.6 20.4 13 32 13z" fill="#fffefb"/>
<circle cx="50" cy="14" r="14" fill="#e2571c"/></svg>`)}`

/** A message that is read as it arrives is unread for a moment: the icon would be loaded twice for it. In milliseconds. */
const MOMENT_MS = 250

/** Shows the number of unread messages in the title, and that there are some on the icon. */
export function useBadge (count: number): void {
  const words = usePageWords()
  const unread = useLasting(count > 0, MOMENT_MS) ? count : 0
  useEffect(() => {
    document.title = unread > 0 ? words.titleWithUnread(unread) : words.appName
    const link = document.querySelector<HTMLLinkElement>('link[rel=icon]')
    if (link === null) return
    link.dataset.plain ??= link.href
    const icon = unread > 0 ? dotted : link.dataset.plain
    if (link.href !== icon) link.href = icon
    const { setAppBadge } = navigator as { setAppBadge?: (count: number) => Promise<void> }
    setAppBadge?.call(navigator, unread).catch(() => {})
  }, [unread, words])
}
