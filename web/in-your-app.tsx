import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { CopyButton } from './copy-button.js'
import { baseUrl, hasDocs, signInBy } from './service.js'
import { Dialog } from './ui/dialog.js'
import { usePageWords } from './words.js'

const guide = 'https://github.com/fastify-sse-chat/fastify-sse-chat'

/** The code that does what this page does, with the address of this server and the id of the user. */
function snippets (userId: string): Record<'plugin' | 'client' | 'widget', string> {
  const url = JSON.stringify(baseUrl)
  const id = JSON.stringify(userId)
  return {
    plugin: `import Fastify from 'fastify'
import chat from 'fastify-sse-chat'

const app = Fastify({ routerOptions: { maxParamLength: 3600 } })
await app.register(chat, {
  prefix: '/chat',
  page: true,
  // Who sends a request. Here it is always the same user: ask your sessions.
  authenticate: async (request) => ({ userId: ${id} })
})
await app.listen({ port: 8080 })`,
    client: `import { createChatClient, createSession, openConversationList } from 'fastify-sse-chat/client'

const client = createChatClient({
  baseUrl: ${url},
  token: async () => await (await fetch('/token')).text()${signInBy === 'host' ? '' : `   // ${userId}’s, from your server`}
})
const session = createSession(client, { userId: ${id} })
const list = openConversationList(session)
list.subscribe(() => { console.log(list.getSnapshot().conversations) })`,
    widget: `<script type="module" src="${baseUrl}/chat.js"></script>
<chat-window id="chat" server="${baseUrl}"></chat-window>
<script type="module">
  const chat = document.querySelector('#chat')
  chat.token = async () => await (await fetch('/token')).text()   // ${userId}’s
</script>`
  }
}

/** Shows a developer how to have this in an app of their own. */
export function InYourApp ({ userId, onClose }: { userId: string, onClose: () => void }): JSX.Element {
  const words = usePageWords()
  const id = useId()
  const [kind, setKind] = useState<'plugin' | 'client' | 'widget'>('plugin')
  const code = snippets(userId)[kind]
  return (
    <Dialog title={words.inYourApp} onClose={onClose}>
      <fieldset class='segments'>
        <legend class='for-readers'>{words.inYourApp}</legend>
        {([['plugin', words.asPlugin], ['client', words.asClient], ['widget', words.asWidget]] as const).map(([value, label]) => (
          <label key={value}>
            <input type='radio' name={id} checked={kind === value} onChange={() => { setKind(value) }} />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      <pre class='snippet' tabIndex={0}><code>{code}</code></pre>
      <footer class='dialog-foot is-split'>
        <span class='snippet-links'>
          {hasDocs && <a href={`${baseUrl}/api/openapi.json`} target='_blank' rel='noreferrer'>{words.allCalls}</a>}
          <a href={`${guide}#readme`} target='_blank' rel='noreferrer'>{words.guide}</a>
          <a href={`${guide}/blob/main/docs/reference.md`} target='_blank' rel='noreferrer'>{words.reference}</a>
        </span>
        <span><CopyButton text={code} label={words.copyCode} /></span>
      </footer>
    </Dialog>
  )
}
