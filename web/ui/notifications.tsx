import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { ChatEvents } from '../../client/index.js'
import { summaryOf } from './attachments.js'
import { useChat, useWords } from './context.js'
import { useActive } from './hooks.js'
import { mayNotify } from './may-notify.js'
import { unmarked } from './rich-text.js'
import { isLooking, mayTell } from './told.js'

const ASKED = 'fastify-sse-chat notifications'

/** Whether the user was asked before. Where nothing can be stored, nobody is asked. */
function wasAsked (): boolean {
  try {
    return localStorage.getItem(ASKED) !== null
  } catch {
    return true
  }
}

/** Shows a notification, in one of the user's tabs, for each message that arrives while they look at none, except where they do not want one. */
export function Notifications ({ onSelect }: { onSelect: (conversationId: string) => void }): JSX.Element {
  const chat = useChat()
  const { session, userId } = chat
  const words = useWords()
  const active = useActive()
  useEffect(() => {
    if (active) return
    return session.listen((...[type, data]) => {
      if (type !== 'message' || data.senderId === userId || !('Notification' in window) || Notification.permission !== 'granted') return
      tell(data).catch(() => {}) // Whether it may notify is not known
    })

    async function tell (message: ChatEvents['message']): Promise<void> {
      if (await isLooking(chat) || !await mayNotify(chat, message)) return
      const { id, conversationId, sender: { displayName, avatar } } = message
      const text = summaryOf({ ...message, text: await unmarked(message.text) }, words)
      if (!await mayTell(chat, 'notification', id)) return
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
