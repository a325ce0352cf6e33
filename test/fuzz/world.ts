import { callOnce } from '../chaos/api.js'
import { SseParser } from '../chaos/sse-parser.js'
import { mint } from '../chaos/token.js'
import type { Pools } from './values.js'

/** The users, conversations and messages that requests are about. They are made again now and then, because fuzzing uses them up. */
export interface World {
  /** The users who send requests. The last one takes part in nothing that the others have. */
  callers: string[]
  pools: Pools
  /** Event ids that the server has issued to callers[0]. */
  eventIds: string[]
  close (): void
}

/** Makes the same calls for the same number, so that a finding can be repeated. */
export async function makeWorld (port: number, number: number): Promise<World> {
  const [ann, ben, cleo, dan, eve] = ['ann', 'ben', 'cleo', 'dan', 'eve'].map(name => `${name}${number}`) as [string, string, string, string, string]
  const call = async (userId: string, method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const answer = await callOnce(port, method, path, { token: mint(userId), body })
    if (answer.status >= 300) throw new Error(`the world can't be made: ${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const converse = async (userId: string, body: object): Promise<string> => String((await call(userId, 'POST', '/api/chat/conversations', body)).id)

  for (const userId of [ann, ben, cleo, dan, eve]) await call(userId, 'GET', '/api/chat/me')
  const account = `account${number}`
  await callOnce(port, 'POST', '/api/auth/register', { body: { userId: account, password: 'correct horse' } })
  const direct = await converse(ann, { type: 'direct', userId: ben })
  const group = await converse(ann, { type: 'group', title: 'a group', participantIds: [ben, cleo] })
  const foreign = await converse(dan, { type: 'group', participantIds: [eve] })

  const following = new AbortController()
  const { streamId, eventIds } = await follow(port, ann, following.signal, async () => {
    for (const conversationId of [direct, group]) await call(ben, 'POST', '/api/chat/messages', { conversationId, text: 'x' })
  })

  const messages: string[] = []
  for (const [userId, conversationId] of [
    [ann, direct], [ben, direct], [ann, group], [ben, group], [cleo, group], [ann, group], [ben, group], [dan, foreign]
  ] as const) {
    messages.push(String((await call(userId, 'POST', '/api/chat/messages', { conversationId, text: `hello from ${userId}` })).id))
  }
  await call(ann, 'DELETE', `/api/chat/messages/${messages[5]}`)
  const { nextCursor } = await call(ann, 'GET', '/api/chat/conversations?limit=1')
  const tickets: string[] = []
  for (const userId of [ann, ann, ben, dan]) tickets.push(String((await call(userId, 'POST', '/api/sse/tickets', {})).ticket))

  const users = [ann, ben, ben, ben, cleo, cleo, dan, eve, account]
  return {
    callers: [ann, ben, cleo, dan],
    eventIds,
    pools: {
      id: [direct, group, group, group, foreign, ...messages],
      conversationId: [direct, group, group, group, foreign],
      messageId: messages,
      replyToId: messages,
      emoji: ['👍', '❤', '❤️', '🎉'],
      userId: users,
      participantIds: users,
      streamId: [streamId],
      cursor: [String(nextCursor)],
      lastEventId: eventIds,
      ticket: tickets,
      password: ['correct horse', 'another horse'],
      echo: ['true', '1', 'false']
    },
    close () { following.abort() }
  }
}

/** Opens a stream of all conversations, makes something happen, and returns the event ids. The stream stays open. */
async function follow (
  port: number, userId: string, signal: AbortSignal, happen: () => Promise<void>
): Promise<{ streamId: string, eventIds: string[] }> {
  const response = await fetch(`http://127.0.0.1:${port}/api/sse`, { headers: { authorization: `Bearer ${mint(userId)}` }, signal })
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const parser = new SseParser()
  const eventIds: string[] = []
  let streamId: string | undefined
  while (eventIds.length < 3) {
    const { value, done } = await reader.read()
    if (done) throw new Error('the world can\'t be made: its stream ended')
    for (const { type, data, id } of parser.push(value)) {
      if (id !== undefined) eventIds.push(id)
      if (type !== 'connected') continue
      streamId = String((JSON.parse(data) as { streamId: unknown }).streamId)
      await happen()
    }
  }
  const rest = async (): Promise<void> => { while (!(await reader.read()).done) { /* nothing of it is needed */ } }
  rest().catch(() => { /* aborted at the end */ })
  return { streamId: streamId!, eventIds }
}
