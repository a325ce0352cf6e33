import { createChatClient } from '../client/index.js'
import type { SignedIn } from './people.js'
import { accounts, baseUrl } from './service.js'

/** Random letters and digits, without those that look alike. */
function random (length: number): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789'
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => letters[byte % letters.length]).join('')
}

/** Creates two users and their conversation. Nobody needs their passwords again. */
export async function startTrial (): Promise<SignedIn> {
  const tag = random(5)
  const sessions = await Promise.all(['Alice', 'Bob'].map(async (displayName) =>
    await accounts.register({ userId: `${displayName.toLowerCase()}-${tag}`, password: random(24), displayName })))
  const [alice, bob] = sessions.map(({ token, user: { userId, displayName } }) => ({ token, userId, displayName }))
  const client = createChatClient({ baseUrl, token: alice!.token })
  const { id } = await client.createConversation({ type: 'direct', userId: bob!.userId })
  return { people: [alice!, bob!], conversationId: id }
}
