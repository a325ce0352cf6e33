import { createElement, StrictMode, type ReactNode } from 'react'
import { act, create, type ReactTestRenderer } from 'react-test-renderer'
import { test } from 'tap'
import { useConversation, useConversationList, useSession } from '../../client/react.js'
import type { ChatSession, LiveConversation } from '../../client/index.js'
import type { ReactionAnswer } from '../../schemas/messages.js'
import { conversation, conversationEvent, message, messageEvent, timestamp } from './made.js'
import { createStubSession, deferred, settle } from './stub-session.js'

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })

const answers = {
  getConversation: async (id: string) => conversation({ id }),
  listMessages: async () => ({ messages: [message(1)], hasMore: false }),
  listConversations: async () => ({ conversations: [conversation({ id: 'c', title: 'Friends' })], nextCursor: null })
}

function Chat ({ session, id }: { session: ChatSession, id: string }) {
  const { messages, live } = useConversation(session, id)
  const { status } = useSession(session)
  return createElement('chat', { send: live.send }, status, ' ', messages.map(({ text }) => text).join(','))
}

function List ({ session }: { session: ChatSession }) {
  return createElement('list', null, useConversationList(session).conversations.map(({ title }) => title).join(','))
}

async function render (element: ReactNode): Promise<ReactTestRenderer> {
  let renderer: ReactTestRenderer | undefined
  await act(async () => {
    renderer = create(element as React.ReactElement)
    await settle()
  })
  return renderer as ReactTestRenderer
}

/** Resolves when no live state is open any more. It is closed a moment after the last component that shows it. */
async function closed (stub: ReturnType<typeof createStubSession>): Promise<void> {
  while (stub.listeners() > 0) await new Promise(setImmediate)
}

test('components follow the live states, and share them', async (t) => {
  const stub = createStubSession(answers)
  stub.connect()
  const { session } = stub
  const renderer = await render(createElement(StrictMode, null,
    createElement(Chat, { session, id: 'c', key: 1 }), createElement(Chat, { session, id: 'c', key: 2 }), createElement(List, { session, key: 3 })))
  t.match(renderer.toJSON(), [{ children: ['connected', ' ', 'text 1'] }, { children: ['connected', ' ', 'text 1'] }, { children: ['Friends'] }])
  t.equal(stub.callsOf('listMessages').length, 1)
  t.equal(stub.callsOf('listConversations').length, 1)

  await act(async () => {
    stub.emit('message', { ...message(2), eventSeq: 2 })
    stub.setStatus('waiting')
    await settle()
  })
  t.match(renderer.toJSON(), [{ children: ['waiting', ' ', 'text 1,text 2'] }, { children: ['waiting', ' ', 'text 1,text 2'] }, {}])

  await act(async () => {
    stub.emit('conversationUpdated', conversationEvent({ title: 'Best friends', changed: ['title'], eventSeq: 3 }))
    await settle()
  })
  t.match(renderer.toJSON(), [{}, {}, { children: ['Best friends'] }])

  await act(async () => {
    renderer.update(createElement(Chat, { session, id: 'd' }))
    await settle()
  })
  t.match(renderer.toJSON(), { children: ['waiting', ' ', 'text 1'] })
  await act(async () => {
    renderer.unmount()
    await closed(stub)
  })
  t.equal(stub.listeners(), 0, 'what nobody shows is closed')
  t.ok(timestamp)
})

test('a component sends, reacts and shows unread mentions', async (t) => {
  const answer = deferred<ReactionAnswer>()
  const stub = createStubSession({ ...answers, react: () => answer.promise, sendMessage: () => new Promise(() => {}) })
  stub.connect()
  const { session } = stub
  const Message = () => {
    const { messages, unreadMentionCount, live } = useConversation(session, 'c')
    return createElement('chat', { live }, `${unreadMentionCount} `, messages.map(({ text, replyTo, myReactions }) => `${text} ${replyTo?.text ?? ''} ${myReactions.join()}`).join(', '))
  }
  const Count = () => {
    const archived = useConversationList(session, { archived: 'true' }).conversations.length
    return createElement('list', null, `${useConversationList(session).unreadMentionCount} ${archived}`)
  }
  const renderer = await render(createElement(Message))
  const list = await render(createElement(Count))
  const { live } = (renderer.toJSON() as unknown as { props: { live: LiveConversation } }).props
  await act(async () => {
    stub.emit('message', { ...messageEvent(2, { mentionsAll: true }), eventSeq: 2 })
    void live.react('m1', '👍', true)
    live.send('yes', { replyTo: 'm1' })
    await settle()
  })
  t.match(renderer.toJSON(), { children: ['1 ', 'text 1  👍, text 2  , yes text 1 '] })
  t.match(list.toJSON(), { children: ['1 0'] })
  await act(async () => {
    renderer.unmount()
    list.unmount()
    await closed(stub)
  })
})

test('what was closed while hidden is opened again', async (t) => {
  const stub = createStubSession(answers)
  stub.connect()
  const { session } = stub
  let renderer = await render(createElement(List, { session }))
  await act(async () => renderer.unmount())
  renderer = await render(createElement(List, { session }))
  t.match(renderer.toJSON(), { children: ['Friends'] })
  await act(async () => {
    renderer.unmount()
    await closed(stub)
  })
  t.equal(stub.listeners(), 0)
  renderer = await render(createElement(List, { session }))
  t.match(renderer.toJSON(), { children: ['Friends'] })
  await act(async () => {
    renderer.unmount()
    await closed(stub)
  })
})
