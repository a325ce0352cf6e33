import { test } from 'tap'
import { createAccounts, createChatClient, type Accounts, type ChatClient } from '../../client/index.js'
import type { ChangesQuery, ConversationListQuery } from '../../schemas/conversations.js'
import type { HistoryQuery, MentionListQuery, ReactionListQuery, ReceiptListQuery, RepliesQuery } from '../../schemas/messages.js'
import type { SearchQuery } from '../../schemas/search.js'
import { readRoutes } from '../fuzz/routes.js'

// The client has a call for every route of the API but those for operators, and the API a route for every call.

/** What `fileUrl` leads to, and the same with a token. */
const downloads = ['GET /api/chat/files/:id', 'GET /api/chat/files/:id/thumbnail', 'GET /api/chat/files/:id/content']
/** Routes that `subscribe` asks for, and the document itself. */
const withoutCall = [...downloads, 'GET /api/sse', 'POST /api/sse/tickets', 'POST /api/sse/:streamId/token', 'GET /api/openapi.json', 'GET /api/asyncapi.json',
  'GET /api/llms.txt']

const page = { limit: 1, cursor: 'c' }
const bounds = { before: 1, after: 1, limit: 1 }
// With every parameter that a route takes: together they need not make sense.
const history: Required<HistoryQuery> = { ...bounds, around: 1 }
const replies: Required<RepliesQuery> = bounds
const reactions: Required<ReactionListQuery> = { ...page, emoji: '👍' }
const receipts: Required<ReceiptListQuery> = page
const mentions: Required<MentionListQuery> = page
const search: Required<Omit<SearchQuery, 'q'>> =
  { ...page, conversationId: 'c', senderId: 'u', after: '2026-01-15T10:30:00.000Z', before: '2026-01-16T10:30:00.000Z', has: 'file' }
const changes: Required<ChangesQuery> = { from: 1, to: 2, after: 3, limit: 4 }
const conversations: Required<ConversationListQuery> = { ...page, archived: 'all', favourite: true, unread: true }

/** A call of each method, or several where they ask for different routes. One that is missing does not compile. */
const calls: Record<Exclude<keyof ChatClient, 'options' | 'reach' | 'stops' | 'subscribe'>, (client: ChatClient) => Promise<unknown>[]> = {
  me: (client) => [client.me()],
  updateMe: (client) => [client.updateMe({ metadata: null })],
  findUsers: (client) => [client.findUsers('q', page)],
  search: (client) => [client.search('q', search)],
  getUser: (client) => [client.getUser('u')],
  block: (client) => [client.block('u')],
  unblock: (client) => [client.unblock('u')],
  listBlocks: (client) => [client.listBlocks()],
  sendMessage: (client) => [client.sendMessage({ conversationId: 'c', text: 't' })],
  editMessage: (client) => [client.editMessage('m', 't')],
  grow: (client) => [client.grow('c').message],
  appendToMessage: (client) => [client.appendToMessage('m', { offset: 0, text: 't' })],
  finishMessage: (client) => [client.finishMessage('m')],
  stopMessage: (client) => [client.stopMessage('m')],
  deleteMessage: (client) => [client.deleteMessage('m')],
  getMessage: (client) => [client.getMessage('m')],
  listReplies: (client) => [client.listReplies('m', replies)],
  setMessageStatus: (client) => [client.setMessageStatus('m', 'read')],
  listMessages: (client) => [client.listMessages('c', history)],
  react: (client) => [client.react('m', '👍', true), client.react('m', '👎', false)],
  listReactions: (client) => [client.listReactions('m', reactions)],
  receipts: (client) => [client.receipts('m', receipts)],
  listMentions: (client) => [client.listMentions(mentions)],
  createConversation: (client) => [client.createConversation({ type: 'direct', userId: 'u' })],
  listConversations: (client) => [client.listConversations(conversations)],
  getConversation: (client) => [client.getConversation('c')],
  deleteConversation: (client) => [client.deleteConversation('c')],
  updateConversation: (client) => [client.updateConversation('c', { title: 't' })],
  updateOwnState: (client) => [client.updateOwnState('c', { archived: true })],
  listChanges: (client) => [client.listChanges('c', changes)],
  markRead: (client) => [client.markRead('c', 1)],
  addParticipants: (client) => [client.addParticipants('c', ['u'])],
  setRole: (client) => [client.setRole('c', 'u', 'admin')],
  removeParticipant: (client) => [client.removeParticipant('c', 'u')],
  upload: (client) => [client.upload(new Blob(['x']))],
  deleteFile: (client) => [client.deleteFile('f')],
  fileUrls: (client) => [client.fileUrls(['f'])],
  fileUrl: (client) => [client.fileUrl('f').catch(() => {})],
  setTyping: (client) => [client.setTyping('c', true)],
  setOnline: (client) => [client.setOnline(true)]
}
const accountCalls: Record<keyof Accounts, (accounts: Accounts) => Promise<unknown>[]> = {
  register: (accounts) => [accounts.register({ userId: 'u', password: 'correct horse' })],
  login: (accounts) => [accounts.login({ userId: 'u', password: 'correct horse' })]
}

test('every route has a call, every call a route, and every parameter is passed on', async (t) => {
  const routes = (await readRoutes()).filter(({ name }) => / \/api\/(?!admin\/)/.test(name) && !name.startsWith('HEAD '))
  const asked: { method: string, url: URL }[] = []
  const options = {
    baseUrl: 'http://localhost',
    token: 't',
    fetch: (async (url: string, { method = 'GET' }: { method?: string }) => {
      asked.push({ method, url: new URL(url) })
      return new Response('{}', { headers: { 'content-type': 'application/json' } })
    }) as unknown as typeof fetch
  }
  const client = createChatClient(options)
  const accounts = createAccounts(options)
  await Promise.all([
    ...Object.values(calls).flatMap((call) => call(client)),
    ...Object.values(accountCalls).flatMap((call) => call(accounts))
  ])

  const covered = new Map<string, Set<string>>()
  for (const { method, url } of asked) {
    const found = routes.filter((route) => route.method === method && new RegExp(`^${route.url.replaceAll(/:\w+/g, '[^/]+')}$`).test(url.pathname))
    t.equal(found.length, 1, `${method} ${url.pathname} has a route`)
    for (const { name } of found) covered.set(name, new Set([...covered.get(name) ?? [], ...url.searchParams.keys()]))
  }
  t.strictSame([...covered.keys(), ...withoutCall].sort(), routes.map(({ name }) => name).sort(), 'every route has a call')
  for (const { name, query } of routes) {
    if (covered.has(name)) t.strictSame([...covered.get(name) ?? []].sort(), Object.keys(query?.properties ?? {}).sort(), `the parameters of ${name}`)
  }
})
