import { setTimeout as sleep } from 'node:timers/promises'
import { Agent } from 'node:http'
import { callOnce } from './api.js'
import { mint } from './token.js'

/** The number of participants that are added to a group at once. */
const STEP = 50

/** Creates the users `reader<from>` and following, and a group of them that `writer` owns. */
export async function gather (port: number, to: number, from = 0): Promise<string> {
  const userIds = Array.from({ length: to - from }, (_, index) => `reader${from + index}`)
  for (let start = 0; start < userIds.length; start += STEP) {
    await Promise.all(userIds.slice(start, start + STEP).map(async userId => await callOnce(port, 'GET', '/api/chat/me', { token: mint(userId) })))
  }
  const { status, body } = await callOnce(port, 'POST', '/api/chat/conversations', { token: mint('writer'), body: { type: 'group', participantIds: userIds } })
  if (status !== 201) throw new Error(`a group of ${userIds.length}: ${status} ${JSON.stringify(body)}`)
  return String(body.id)
}

/** Sends this many messages at a steady rate, a few at the same time. @returns how many were acknowledged */
export async function write (
  port: number, conversationId: string, { count, perSecond, bytes }: { count: number, perSecond: number, bytes: number }
): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const token = mint('writer')
  const text = 'x'.repeat(bytes)
  const startedAt = performance.now()
  const waiting = new Set<Promise<void>>()
  let acknowledged = 0
  for (let n = 0; n < count; n++) {
    await sleep(Math.max(0, startedAt + n * 1000 / perSecond - performance.now()))
    const sending = send(port, { conversationId, text, clientId: `${process.pid}.${Math.round(startedAt)}.${n}` }, token, agent).then(() => { acknowledged++ })
    waiting.add(sending)
    void sending.finally(() => waiting.delete(sending))
    if (waiting.size >= 64) await Promise.race(waiting)
  }
  await Promise.all(waiting)
  agent.destroy()
  return acknowledged
}

/** Retries until the message is acknowledged. */
async function send (port: number, body: object, token: string, agent: Agent): Promise<void> {
  for (;;) {
    try {
      const { status } = await callOnce(port, 'POST', '/api/chat/messages', { token, body, agent })
      if (status < 300) return
    } catch {
      // The server is unavailable.
    }
    await sleep(100)
  }
}
