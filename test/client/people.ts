import {
  createChatClient, createSession, openConversation, openConversationList,
  type ChatClient, type ChatClientOptions, type ChatSession, type LiveConversation, type LiveConversationList, type Store
} from '../../client/index.js'
import { token } from '../helper.js'

/** Resolves when the condition holds, now or after a change. */
export const until = (store: Store<unknown>, condition: () => boolean) => new Promise<void>((resolve) => {
  const stop = store.subscribe(check)
  function check () {
    if (!condition()) return
    stop()
    resolve()
  }
  check()
})

export const texts = (chat: LiveConversation) => chat.getSnapshot().messages.map(({ text }) => text)

export const clientOf = (baseUrl: string, userId: string, options: Partial<ChatClientOptions> = {}): ChatClient => createChatClient({
  baseUrl,
  token: () => token({ sub: userId, name: userId.toUpperCase() }),
  backoffBaseMs: 50,
  backoffCapMs: 200,
  retryBaseMs: 20,
  maxAttempts: 1000,
  ...options
})

let people = 0

/** Two people who have not met, each with a session, and their conversation in it. */
export async function pair (t: { teardown (callback: () => unknown): void }, baseUrl: string) {
  const names = [`ann${++people}`, `ben${people}`] as const
  const clients = [clientOf(baseUrl, names[0]), clientOf(baseUrl, names[1])] as const
  await Promise.all(clients.map((client) => client.me()))
  const { id } = await clients[0].createConversation({ type: 'direct', userId: names[1] })
  const open = (n: 0 | 1): { session: ChatSession, chat: LiveConversation, list: LiveConversationList } => {
    const session = createSession(clients[n])
    const chat = openConversation(session, id)
    const list = openConversationList(session)
    t.teardown(() => { list.close(); chat.close(); session.close() })
    return { session, chat, list }
  }
  const [ann, ben] = [open(0), open(1)]
  await Promise.all([ann, ben].flatMap(({ chat, list }) => [chat, list]).map((store) => until(store, () => store.getSnapshot().status === 'ready')))
  return { names, clients, id, ann, ben }
}
