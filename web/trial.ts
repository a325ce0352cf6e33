import { ChatError, createChatClient, type LoginAnswer } from '../client/index.js'
import type { SignedIn } from './people.js'
import { accounts, baseUrl } from './service.js'

/** The accounts of an earlier trial in this browser: it is gone on with, so that trials leave no heap of accounts. */
const key = `fastify-sse-chat trial ${new URL(baseUrl).pathname}`

interface Account { userId: string, password: string }

/** Random letters and digits, without those that look alike. */
function random (length: number): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789'
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => letters[byte % letters.length]).join('')
}

function kept (): Account[] | null {
  try {
    const accounts = JSON.parse(localStorage.getItem(key) ?? 'null') as Account[] | null
    return Array.isArray(accounts) && accounts.length === 2 ? accounts : null
  } catch {
    return null
  }
}

/** Signs in again. @returns null if there was no trial, or if its accounts are gone */
async function again (): Promise<LoginAnswer[] | null> {
  const known = kept()
  if (known === null) return null
  try {
    return await Promise.all(known.map(async (account) => await accounts.login(account)))
  } catch (error) {
    if (error instanceof ChatError && error.statusCode === 401) return null
    throw error
  }
}

async function anew (): Promise<LoginAnswer[]> {
  const tag = random(5)
  const made = ['Alice', 'Bob'].map((displayName) => ({ userId: `${displayName.toLowerCase()}-${tag}`, password: random(24), displayName }))
  const sessions = await Promise.all(made.map(async (account) => await accounts.register(account)))
  try {
    localStorage.setItem(key, JSON.stringify(made.map(({ userId, password }): Account => ({ userId, password }))))
  } catch {} // The next trial has others then
  return sessions
}

/** Signs in two users, who are made for it if need be, with their conversation. */
export async function startTrial (): Promise<SignedIn> {
  const sessions = await again() ?? await anew()
  const [alice, bob] = sessions.map(({ token, user: { userId, displayName } }) => ({ token, userId, displayName }))
  const client = createChatClient({ baseUrl, token: alice!.token })
  const { id } = await client.createConversation({ type: 'direct', userId: bob!.userId })
  return { people: [alice!, bob!], conversationId: id }
}
