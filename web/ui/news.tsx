import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { summaryOf } from './attachments.js'
import { useChat, useWords } from './context.js'
import { useActive } from './hooks.js'
import { unmarked } from './rich-text.js'
import { useLooking } from './told.js'

/** Whether the user has pressed something in this tab: before, the browser plays nothing. */
const hasBeenUsed = () => (navigator as { userActivation?: UserActivation }).userActivation?.hasBeenActive !== false

/** Reading out a message takes about this long at most, in milliseconds. Then its text goes. */
const READ_MS = 20_000

/**
 * Announces new messages to users of screen readers: each by itself, so that none replaces another, or repeats one. Where the user has
 * chosen so, there is a sound, too.
 */
export function NewsForReaders ({ selected }: { selected: string | null }): JSX.Element {
  const chat = useChat()
  const { session, sounds, userId: me } = chat
  const words = useWords()
  const [news, setNews] = useState<readonly { id: string, text: string }[]>([])
  const active = useActive()
  const timers = useRef(new Set<ReturnType<typeof setTimeout>>())

  function tell (id: string, text: string): void {
    const said = { id, text }
    setNews((known) => known.some((one) => one.id === id) ? known : [...known, said])
    const timer = setTimeout(() => {
      timers.current.delete(timer)
      setNews((known) => known.filter((one) => one !== said))
    }, READ_MS)
    timers.current.add(timer)
  }

  useLooking(selected)
  useEffect(() => session.listen((...[type, data]) => {
    if (type !== 'message' || data.senderId === me || session.getSnapshot().blocked.has(data.senderId)) return
    const { id, conversationId, sender: { displayName } } = data
    if (sounds.getSnapshot().has(conversationId) && !(active && conversationId === selected) && hasBeenUsed()) {
      import('./dialogs.js').then(async ({ playSoundOf }) => { await playSoundOf(chat, data) }).catch(() => {})
    }
    if (conversationId !== selected) return tell(id, words.newsElsewhere(displayName))
    void unmarked(data.text).then((text) => { tell(id, words.newsHere(displayName, summaryOf({ ...data, text }, words))) })
  }), [session, selected, active, me, words])
  useEffect(() => () => { for (const timer of timers.current) clearTimeout(timer) }, [])

  return (
    <div class='for-readers' role='log' aria-live='polite' aria-relevant='additions' aria-label={words.news}>
      {news.map(({ id, text }) => <p key={id}>{text}</p>)}
    </div>
  )
}
