import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { serverProcess } from '../client/server-process.js'
import { built, findings, launch, noBrowser, profile } from './browser.js'
import { bubble, createCast, drawn, field, log, numbered } from './cast.js'

// The custom elements on a page of somebody else: examples/widget, on a port of its own, with a strict policy, styles that reach for
// everything and keys of its own.

const examples = fileURLToPath(new URL('../../examples', import.meta.url))

/** Runs the example until the test ends. @returns the address of its page, and its user */
async function shop (t: Test, chatUrl: string): Promise<{ url: string, userId: string }> {
  const child = spawn(process.execPath, ['--import=tsx', `${examples}/widget/server.ts`, 'alice'], {
    env: { PATH: process.env.PATH, TSX_TSCONFIG_PATH: `${examples}/tsconfig.json`, PORT: '0', CHAT_URL: chatUrl },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url, userId] = /^listening on (\S+) as (\S+)$/.exec(line) ?? []
    if (url !== undefined && userId !== undefined) return { url: url.replace('[::1]', 'localhost'), userId }
  }
  throw new Error('the example ended without listening')
}

t.setTimeout(500_000)

t.test('the chat on a page of somebody else', { skip: noBrowser, timeout: 170_000 }, async (t) => {
  await built()
  const [browser, server] = await Promise.all([launch(t), serverProcess(t, { PAGE: 'off', WIDGET: 'on', CORS_ORIGIN: '*' })])
  const { arrive, call, converse, group, send, sendAll } = createCast(() => server.baseUrl)
  const { url, userId } = await shop(t, server.baseUrl)
  const bob = await arrive('Bob')
  const alice = { userId, displayName: userId, token: '' }
  const id = await converse(bob, alice)
  await sendAll(bob, id, numbered(30))
  const other = await group(bob, 'The others', alice)
  await send(bob, other, 'Something new')

  const tab = await (await profile(t, browser, url))()
  const { page } = tab
  await page.goto('/')
  const list = page.locator('chat-list')
  const chat = page.locator('chat-window')
  const style = async (selector: string, name: string, within = 'chat-window') =>
    await page.evaluate(`getComputedStyle(document.querySelector('${within}').shadowRoot.querySelector('${selector}')).${name}`)

  t.test('a conversation from the list is read and written', async (t) => {
    await list.locator(`[data-id="${id}"]`).click()
    await bubble(chat, 'Message 1.').first().waitFor()
    await page.locator('#unread').getByText(/^\d+ unread$/i).waitFor()
    t.equal(await chat.getAttribute('conversation'), id, 'the page has passed on what was selected')
    await chat.getByRole('button', { name: 'To the newest message' }).click()
    t.equal(await chat.locator('.attach-button').count(), 1, 'the service takes files')
    await field(chat).click()
    await page.keyboard.type('Yes, sssS')
    t.equal(await field(chat).inputValue(), 'Yes, sssS', 'the key of the page takes no letters')
    await page.keyboard.press('Enter')
    await bubble(chat, 'Yes, sssS').waitFor()
    await send(bob, id, 'An *answer*, see https://example.org/')
    await bubble(chat, 'An answer').locator('a').waitFor()
    await page.locator('#unread').getByText(/^1 unread$/i).waitFor()
  })

  t.test('nothing of the page’s styles reaches in, and what it may change is changed', async (t) => {
    t.equal(await style('.text', 'fontSize'), '15.5px', 'whatever the size of the page’s root')
    t.equal(await style('.is-own .bubble', 'backgroundColor'), 'rgb(122, 31, 162)')
    t.equal(await style('.is-own .bubble', 'borderEndStartRadius'), '8px')
    t.equal(await style('.conversation-head', 'borderBottomColor'), 'rgb(122, 31, 162)', '::part(header)')
    t.equal(await style('.composer textarea', 'borderTopStyle'), 'none')
    for (const place of ['chat-window', 'chat-list']) {
      t.match(await style('.chat-root', 'fontFamily', place), /sans-serif/)
      t.equal(await style('.chat-root', 'letterSpacing', place), 'normal')
      t.equal(await style('.chat-root', 'textTransform', place), 'none')
      t.equal(await style('.chat-root', 'lineHeight', place), '23.2px')
      t.equal(await style('.chat-root', 'color', place), 'rgb(27, 32, 30)')
    }
    t.strictSame(await page.evaluate('[...document.querySelector("chat-window").shadowRoot.querySelectorAll("[part]")].flatMap(({ part }) => [...part]).filter((name, index, all) => all.indexOf(name) === index).sort()'),
      ['bubble', 'bubble-own', 'composer', 'header'])
  })

  t.test('menus and dialogs, which are loaded on demand, have their styles', async (t) => {
    await bubble(chat, 'Yes, sssS').click({ button: 'right' })
    const menu = chat.getByRole('menu', { name: 'What to do with this message' })
    await menu.getByRole('menuitemcheckbox', { name: 'React with 👍' }).click()
    await chat.locator('.reaction').waitFor()
    t.equal(await page.evaluate('document.activeElement.localName'), 'chat-window', 'the focus stays in the chat')
    await bubble(chat, 'Yes, sssS').click({ button: 'right' })
    await menu.getByRole('menuitem', { name: 'Info' }).click()
    const dialog = chat.getByRole('dialog', { name: 'Info' })
    await dialog.getByText('Reactions').waitFor()
    t.equal(await style('.dialog', 'borderTopLeftRadius'), '8.888px')
    t.strictSame(await findings(page, 'chat-window'), [])
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    t.strictSame(await findings(page, 'chat-window'), [])
    t.strictSame(await findings(page, 'chat-list'), [])
  })

  t.test('attributes: theme, language and conversation; nothing off screen is read', async (t) => {
    const before = await style('.chat-root', 'backgroundColor')
    await page.evaluate('Object.assign(document.querySelector("chat-window"), { theme: "dark", lang: "de" })')
    await chat.getByRole('button', { name: 'Senden' }).waitFor()
    t.not(await style('.chat-root', 'backgroundColor'), before)
    t.equal(await style('.chat-root', 'colorScheme'), 'dark')
    await page.evaluate('document.querySelector("chat-window").setAttribute("lang", "en")')
    await field(chat).waitFor()

    await page.evaluate('document.querySelector(".chat").style.marginTop = "3000px"; window.scrollTo(0, 0)')
    await page.evaluate(`document.querySelector('chat-window').conversation = ${JSON.stringify(other)}`)
    await bubble(chat, 'Something new').waitFor()
    await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))')
    await send(bob, other, 'More')
    await bubble(chat, 'More').waitFor()
    const status = async () => (await call<{ lastMessage: { status: string } }>(bob, 'GET', `/api/chat/conversations/${other}`)).lastMessage.status
    // It is marked as delivered by a call that follows.
    while (await status() === 'sent') await drawn(page)
    t.equal(await status(), 'delivered')
    await chat.scrollIntoViewIfNeeded()
    await page.evaluate('document.querySelector("chat-window").scrollIntoView()')
    await page.locator('#unread').getByText('unread').waitFor({ state: 'detached' })
    while (await status() === 'delivered') await drawn(page)
    t.equal(await status(), 'read')
    t.equal(await log(chat).count(), 1)
  })

  t.test('without a conversation it has a list of its own; a token that is refused is told', async (t) => {
    await page.evaluate(`
      window.told = []
      const element = Object.assign(document.createElement('chat-window'), { server: document.querySelector('chat-list').server, token: document.querySelector('chat-list').token })
      element.id = 'whole'
      element.addEventListener('select', ({ detail }) => { told.push(detail.conversationId) })
      element.addEventListener('signed-out', ({ detail }) => { told.push(detail.error.code) })
      document.querySelector('.chat').replaceChildren(element)`)
    const whole = page.locator('#whole')
    await whole.locator(`[data-id="${id}"]`).click()
    await bubble(whole, 'Yes, sssS').waitFor()
    t.equal(await page.evaluate('document.activeElement.shadowRoot.activeElement.localName'), 'textarea')
    await page.evaluate('document.querySelector("#whole").style.width = "360px"')
    await whole.getByRole('button', { name: 'All conversations' }).click()
    await whole.locator(`[data-id="${other}"]`).waitFor()
    t.strictSame(await findings(page, '#whole'), [])
    t.strictSame(tab.problems, [], 'nothing was refused by the policy, and nothing failed')

    await page.evaluate('document.querySelector("#whole").token = "not.a.token"')
    await whole.getByText('You have been signed out').waitFor()
    await page.waitForFunction('told.length === 3')
    t.strictSame(await page.evaluate('told'), [id, null, 'UNAUTHORIZED'])
  })
})
