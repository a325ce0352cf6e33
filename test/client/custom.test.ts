import { test } from 'tap'
import {
  createChatClient, createSession, openConversation, subscribeToSSE, type ChatClient, type ChatEvents, type ChatSession, type Conversation,
  type openConversationList, type OwnMessage
} from '../../client/index.js'
import type { useConversation, useConversationList, useSession } from '../../client/react.js'
import * as wire from './made.js'

// These tests are for the compiler: what does not compile fails `npm run typecheck`.

interface Order { orderId: string, items?: number }
interface Shop { shopId: number }
interface Team { team: 'red' | 'blue' }
interface Custom { message: Order, conversation: Shop, user: Team }

/** Compiles if the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
const yes = <T extends true>(_: T) => {}

test('metadata has the given types in calls, callbacks, live state and hooks', async (t) => {
  const use = (client: ChatClient<Custom>, session: ChatSession<Custom>) => {
    const live = openConversation(session, 'c')
    type Snapshot = ReturnType<typeof live.getSnapshot>
    yes<Same<Snapshot['messages'][0]['metadata'], Order | null>>(true)
    yes<Same<NonNullable<Snapshot['conversation']>['metadata'], Shop | null>>(true)
    yes<Same<NonNullable<NonNullable<Snapshot['conversation']>['lastMessage']>['metadata'], Order | null>>(true)
    yes<Same<ReturnType<ReturnType<typeof openConversationList<Custom>>['getSnapshot']>['conversations'][0]['metadata'], Shop | null>>(true)
    yes<Same<NonNullable<ReturnType<typeof session.getSnapshot>['user']>['metadata'], Team | null>>(true)
    yes<Same<ReturnType<typeof useConversation<Custom>>['messages'][0]['metadata'], Order | null>>(true)
    yes<Same<ReturnType<typeof useConversationList<Custom>>['conversations'][0]['metadata'], Shop | null>>(true)
    yes<Same<NonNullable<ReturnType<typeof useSession<Custom>>['user']>['metadata'], Team | null>>(true)
    session.listen((...[type, data]) => {
      if (type === 'message') yes<Same<typeof data.metadata, Order | null>>(true)
      if (type === 'conversationUpdated') yes<Same<typeof data.metadata, Shop | null>>(true)
      if (type === 'userUpdated') yes<Same<typeof data.metadata, Team | null>>(true)
    })
    client.subscribe({
      onMessage: ({ metadata }) => { yes<Same<typeof metadata, Order | null>>(true) },
      onMessageUpdated: ({ metadata }) => { yes<Same<typeof metadata, Order | null>>(true) },
      onConversationUpdated: ({ metadata }) => { yes<Same<typeof metadata, Shop | null>>(true) },
      onUserUpdated: ({ metadata }) => { yes<Same<typeof metadata, Team | null>>(true) }
    })
    subscribeToSSE<Custom>({ token: '', onMessage: ({ metadata }) => { yes<Same<typeof metadata, Order | null>>(true) } })
    live.send('text', { metadata: { orderId: '1' } })
    live.send('text', { metadata: null })
    // @ts-expect-error: no order
    live.send('text', { metadata: { order: '1' } })
    // @ts-expect-error: no number
    void live.edit('m', { metadata: { orderId: '1', items: 'many' } })
    // @ts-expect-error: no team
    void client.updateMe({ metadata: { team: 'green' } })
    // @ts-expect-error: no order
    void client.sendMessage({ conversationId: 'c', text: 'text', metadata: {} })
    void client.listMessages('c').then(({ messages: [message] }) => { yes<Same<NonNullable<typeof message>['metadata'], Order | null>>(true) })
    void client.listMentions().then(({ messages: [message] }) => { yes<Same<NonNullable<typeof message>['metadata'], Order | null>>(true) })
    // @ts-expect-error: no shop
    void client.updateConversation('c', { metadata: { shopId: '1' } })
    void client.updateConversation('c', { metadata: { shopId: 1 } }).then(({ metadata }) => { yes<Same<typeof metadata, Shop | null>>(true) })
    void client.listChanges('c').then(({ changes }) => {
      for (const change of changes) if (change.type === 'conversationUpdated') yes<Same<typeof change.data.metadata, Shop | null>>(true)
    })
    void client.getUser('bob').then(({ metadata }) => { yes<Same<typeof metadata, Team | null>>(true) })
  }
  const client = createChatClient<Custom>({ token: 't', baseUrl: 'http://127.0.0.1:1' })
  const session = createSession(client, { shareTabs: false })
  session.close()
  yes<Same<typeof session, ChatSession<Custom>>>(true)
  t.type(use, 'function')
})

test('without types it is a record, and what is left out is one, too', async (t) => {
  yes<Same<OwnMessage['metadata'], Record<string, unknown> | null>>(true)
  yes<Same<OwnMessage<{ user: Team }>['metadata'], Record<string, unknown> | null>>(true)
  yes<Same<ChatEvents<{ message: Order }>['userUpdated']['metadata'], Record<string, unknown> | null>>(true)
  // The client's shapes and the service's are the same.
  const message: OwnMessage = wire.message(1)
  const conversation: Conversation = wire.conversation()
  const event: ChatEvents['message'] = wire.messageEvent(1)
  t.match([message, conversation, event], [{ metadata: null }, { metadata: null }, { metadata: null }])
})
