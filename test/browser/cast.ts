import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { Locator, Page } from 'playwright-core'
import { token } from '../helper.js'
import type { Tab } from './browser.js'

// People who use the page, and what they do on it.

export interface Sent { id: string, seq: number }
export interface Account { userId: string, displayName: string, token: string }

export const field = (place: Page | Locator) => place.getByRole('textbox', { name: /^Message to ./ })
export const log = (place: Page | Locator) => place.getByRole('log', { name: /^Messages with/ })
export const bubble = (place: Page | Locator, text: string) => place.locator('.message').filter({ hasText: text })
export const textsOf = async (place: Page | Locator) => await log(place).locator('.text').allTextContents()

export async function write (place: Page | Locator, text: string): Promise<void> {
  await field(place).fill(text)
  await field(place).press('Enter')
}

/** The texts `Message 1.` to `Message n.`, or with another word. */
export const numbered = (count: number, word = 'Message'): string[] => Array.from({ length: count }, (_, index) => `${word} ${index + 1}.`)

/** Waits until an expression is true in the page, whose policy forbids the browser's tool for that. */
export async function until (page: Page, condition: string): Promise<void> {
  await page.evaluate(`new Promise((resolve) => { const look = () => { if (${condition}) resolve(); else requestAnimationFrame(look) }; look() })`)
}

/** Waits for what is drawn after the next two frames. */
export async function drawn (page: Page): Promise<void> {
  await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))')
}

export async function scrollTo (page: Page, top: number): Promise<void> {
  await page.evaluate(`document.querySelector('.log').scrollTop = ${top}`)
}

/** Hides the page from its user, or shows it again. */
export async function setHidden (page: Page, hidden: boolean): Promise<void> {
  await page.evaluate(`
    Object.defineProperty(document, 'visibilityState', { value: '${hidden ? 'hidden' : 'visible'}', configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))`)
  await drawn(page)
}

/** Types until the page shows it: on a busy machine, typing may lapse before anybody looks, or begin before the other one listens. */
export async function typeUntil (place: Page | Locator, shown: Locator): Promise<void> {
  for (let tries = 10; ; tries--) {
    await field(place).pressSequentially('x')
    const isShown = await shown.waitFor({ timeout: 2000 }).then(() => true, (error: unknown) => {
      if (tries === 0) throw error
      return false
    })
    if (isShown) return
    // What goes on is not announced again.
    await field(place).fill('')
  }
}

/** @param serverUrl the address of the service. A restarted server keeps it */
export function createCast (serverUrl: () => string) {
  let count = 0

  async function call<T> (account: Account, method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${serverUrl()}${path}`, {
      method,
      headers: { authorization: `Bearer ${account.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return await response.json() as T
  }

  async function arriveAs (userId: string, displayName?: string): Promise<Account> {
    const name = displayName === undefined ? {} : { name: displayName }
    const account = { userId, displayName: displayName ?? userId, token: token({ sub: userId, ...name }) }
    await call(account, 'GET', '/api/chat/me')
    return account
  }

  return {
    call,
    /** A user who is known to the server. */
    arrive: async (displayName: string): Promise<Account> =>
      await arriveAs(`${displayName.toLowerCase().replace(/[^a-z]/g, '') || 'someone'}-${++count}`, displayName),
    arriveAs,
    group: async (maker: Account, title: string, ...others: Account[]): Promise<string> => (await call<{ id: string }>(maker, 'POST',
      '/api/chat/conversations', { type: 'group', title, participantIds: others.map(({ userId }) => userId) })).id,
    converse: async (a: Account, b: Account): Promise<string> =>
      (await call<{ id: string }>(a, 'POST', '/api/chat/conversations', { type: 'direct', userId: b.userId })).id,
    send: async (from: Account, conversationId: string, text: string, more: object = {}) =>
      await call<Sent>(from, 'POST', '/api/chat/messages', { conversationId, text, ...more }),
    /**
     * Sends many messages in their order, without waiting for the answer to each before the next: down one connection, which the server
     * reads from the beginning to the end.
     */
    async sendAll (from: Account, conversationId: string, texts: readonly string[]): Promise<Sent[]> {
      const { hostname, port } = new URL(serverUrl())
      const socket = connect(Number(port), hostname)
      const lines = createInterface({ input: socket })
      const answers: Sent[] = []
      for (const [index, text] of texts.entries()) {
        const body = JSON.stringify({ conversationId, text })
        const last = index === texts.length - 1 ? 'connection: close\r\n' : ''
        socket.write(`POST /api/chat/messages HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${from.token}\r\n` +
          `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${last}\r\n${body}`)
      }
      for await (const line of lines) {
        const json = /^\{.*?\}(?=HTTP|$)/.exec(line)
        if (json !== null) answers.push(JSON.parse(json[0]) as Sent)
      }
      const inOrder = answers.every(({ seq }, index) => seq - index === answers[0]!.seq)
      if (answers.length !== texts.length || !inOrder) throw new Error(`${answers.length} of ${texts.length} messages were sent in their order`)
      return answers
    },
    /** Opens the page for a user who is already signed in, at a conversation or at the list. */
    async enter (tab: Tab, { userId, displayName, token }: Account, conversationId?: string): Promise<Page> {
      const { page } = tab
      const signedIn = JSON.stringify({ people: [{ userId, displayName, token }] })
      await page.addInitScript(`localStorage.setItem('fastify-sse-chat /', ${JSON.stringify(signedIn)})`)
      await page.goto(conversationId === undefined ? '/' : `/#/${encodeURIComponent(conversationId)}`)
      if (conversationId !== undefined) await field(page).waitFor()
      return page
    }
  }
}
