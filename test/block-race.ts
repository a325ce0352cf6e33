import type { Test } from 'tap'
import type { User } from './helper.js'

/** Somebody is blocked while they send fifty messages: what is accepted is numbered before the block is answered. Both may be on different nodes. */
export async function blockAgainstSends (t: Test, blocker: User, sender: User): Promise<void> {
  const id = await blocker.direct(sender)
  for (let round = 0; round < 3; round++) {
    let began = (): void => {}
    const beginning = new Promise<void>(resolve => { began = resolve })
    const sends = Promise.all(Array.from({ length: 50 }, async (_, index) => {
      if (index > 10) await beginning
      const answer = await sender.call<{ seq: number }>('POST', '/api/chat/messages', { conversationId: id, text: `${round} ${index}` })
      began()
      return answer
    }))
    await beginning
    await blocker.ok('PUT', `/api/chat/blocks/${sender.id}`)
    const last = (await blocker.conversation(id)).lastMessage?.seq ?? 0
    for (const { status, body } of await sends) t.ok(status === 403 || (status === 201 && body.seq <= last), `${status} ${body.seq} of ${last}`)
    t.match(await sender.call('POST', '/api/chat/messages', { conversationId: id, text: 'x' }), { status: 403, body: { code: 'BLOCKED' } })
    t.equal((await blocker.conversation(id)).lastMessage?.seq ?? 0, last)
    await blocker.ok('DELETE', `/api/chat/blocks/${sender.id}`)
  }
}
