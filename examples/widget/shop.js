/* global location */
// The address of the chat and the user's token. A real shop's server would put both here.
const { server, token } = await (await fetch('session')).json()

const list = document.querySelector('chat-list')
const chat = document.querySelector('chat-window')
for (const element of [list, chat]) Object.assign(element, { server, token })
list.addEventListener('select', ({ detail }) => { chat.conversation = detail.conversationId })
list.addEventListener('unread', ({ detail }) => { document.querySelector('#unread').textContent = detail.count > 0 ? `${detail.count} unread` : '' })
chat.addEventListener('signed-out', () => { location.reload() })

// The shop's own key, which must not take letters from the chat.
document.addEventListener('keydown', (event) => {
  if (event.key !== 's' || event.target.matches('input')) return
  event.preventDefault()
  document.querySelector('#search').focus()
})

// The properties above were set before the elements are registered. That is allowed.
await import(`${server}/chat.js`)
