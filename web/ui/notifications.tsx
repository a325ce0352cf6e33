import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { ChatEvents } from '../../client/index.js'
import { summaryOf } from './attachments.js'
import { useChat, useWords } from './context.js'
import { useActive } from './hooks.js'
import { mayNotify } from './may-notify.js'

const ASKED = 'fastify-sse-chat notifications'

/** Whether the user was asked before. Where nothing can be stored, nobody is asked. */
function wasAsked (): boolean {
  try {
    return localStorage.getItem(ASKED) !== null
  } catch {
    return true
  }
}

/** Shows a notification for each message that arrives while the user does not look, except where they do not want one. */
export function Notifications ({ onSelect }: { onSelect: (conversationId: string) => void }): JSX.Element {
  const chat = useChat()
  const { session, userId } = chat
  const words = useWords()
  const active = useActive()
  useEffect(() => {
    if (active) return
    return session.listen((...[type, data]) => {
      if (type !== 'message' || data.senderId === userId || !('Notification' in window) || Notification.permission !== 'granted') return
      void mayNotify(chat, data).then((may) => { if (may) notify(data) }, () => {})
    })

    function notify (message: ChatEvents['message']): void {
      const { conversationId, sender: { displayName, avatar } } = message
      const text = summaryOf(message, words)
      try {
        const shown = new Notification(displayName, { body: text.slice(0, 200), tag: conversationId, ...(avatar === null ? {} : { icon: avatar }) })
        shown.onclick = () => {
          window.focus()
          onSelect(conversationId)
          shown.close()
        }
      } catch {} // Some browsers allow them in service workers only
    }
  }, [session, active, userId, words])
  return <></>
}

/** Asks whether to notify, once, after the first message: by then the user knows what for. */
export function AskToNotify ({ sent }: { sent: boolean }): JSX.Element {
  const words = useWords()
  const [asked, setAsked] = useState(() => !('Notification' in window) || Notification.permission !== 'default' || wasAsked())
  if (asked || !sent) return <></>

  function done (): void {
    setAsked(true)
    try { localStorage.setItem(ASKED, 'asked') } catch {}
  }
  return (
    <div class='asking' role='group' aria-label={words.notifyQuestion}>
      <span>{words.notifyQuestion}</span>
      <button
        type='button' class='button is-small is-primary' onClick={() => {
          done()
          void Notification.requestPermission()
        }}
      >
        {words.notifyYes}
      </button>
      <button type='button' class='button is-small is-quiet' onClick={done}>{words.notNow}</button>
    </div>
  )
}
