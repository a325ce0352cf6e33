import type { Browser, Page } from 'playwright-core'
import t from 'tap'
import { serverProcess } from '../client/server-process.js'
import { built, closeAll, launch, noBrowser, profile } from './browser.js'
import { bubble, createCast, drawn, field, log, numbered, scrollTo, setHidden, until, write } from './cast.js'

// What must not go wrong in a chat of every day, in the forms that daily.test.ts has not: other numbers, other answers, other places.

let browser: Browser
let server: Awaited<ReturnType<typeof serverProcess>>
const { call, arrive, arriveAs, converse, group, send, sendAll, enter } = createCast(() => server.baseUrl)

const PASSWORD = 'correct horse battery'
const topOf = async (page: Page, text: string) => (await bubble(page, text).first().boundingBox())!.y
/** Whether an element is within the window, in whole. */
const isInView = async (page: Page, selector: string) => await page.evaluate(`(() => {
  const { top, bottom, left, right } = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect()
  return top >= 0 && left >= 0 && bottom <= innerHeight + 1 && right <= innerWidth + 1
})()`) as boolean

t.setTimeout(500_000)

t.test('every day', { skip: noBrowser, timeout: 280_000 }, async (t) => {
  await built()
  ;[browser, server] = await Promise.all([launch(t), serverProcess(t, { PAGE: 'on', FILES_DIR: t.testdir() })])
  t.afterEach(async () => { await closeAll(browser) })
  const open = async (options = {}) => await (await profile(t, browser, server.baseUrl, options))()

  t.test('unread: few or all of a conversation, and a window without the focus', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const unread = async (id: string) => (await call<{ unreadCount: number }>(alice, 'GET', `/api/chat/conversations/${id}`)).unreadCount
    for (const [total, read] of [[40, 10], [30, 0], [3, 1]] as const) {
      const id = await group(alice, 'Some', bob)
      await sendAll(bob, id, numbered(total))
      if (read > 0) await call(alice, 'PUT', `/api/chat/conversations/${id}/read`, { seq: read })
      const tab = await open()
      const page = await enter(tab, alice, id)
      await bubble(page, `Message ${read + 1}.`).first().waitFor()
      await drawn(page)
      t.ok(await isInView(page, '.is-unread'), `the line is on screen: ${total - read} of ${total}`)
      if (total > 10) t.ok(await unread(id) > 0, 'only what was on screen has been read')
      t.strictSame(tab.problems, [])

      if (total > 10) continue
      await until(page, 'document.querySelector(".item[aria-current] .badge") === null')
      await page.evaluate('document.hasFocus = () => false; dispatchEvent(new Event("blur"))')
      await drawn(page)
      await send(bob, id, 'Unseen')
      await bubble(page, 'Unseen').waitFor()
      await drawn(page)
      t.equal(await unread(id), 1, 'nobody looks at a window without the focus')
      t.equal(await page.evaluate('document.querySelector(".is-unread").nextElementSibling.querySelector(".text").textContent'), 'Unseen', 'the line has moved to it')
      await page.evaluate('document.hasFocus = () => true; dispatchEvent(new Event("focus"))')
      await until(page, 'document.querySelector(".item[aria-current] .badge") === null')
      t.equal(await unread(id), 0)
      t.equal(await page.locator('.is-unread').count(), 1, 'and stays while one reads')
    }
  })

  t.test('without a connection: what a proxy answers for a server that is away', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    const tab = await open()
    const page = await enter(tab, alice, id)
    await page.locator('.banner').waitFor({ state: 'detached' })
    const answers = {
      'Bad gateway': { status: 502, contentType: 'text/html', body: '<h1>502 Bad Gateway</h1>' },
      'Gateway timeout': { status: 504, contentType: 'text/html', body: '' },
      Unavailable: { status: 503, json: { statusCode: 503, code: 'UNAVAILABLE', error: 'Service Unavailable', message: 'Later' } }
    }
    for (const [text, answer] of Object.entries(answers)) {
      await page.route('**/api/chat/messages', async (route) => { await route.fulfill(answer) })
      await write(page, text)
      await page.locator('.banner').getByText('What you write is sent when it is back.').waitFor()
      t.equal(await page.locator('.is-failed').count(), 0, `${text}: waits`)
      await page.unroute('**/api/chat/messages')
      await bubble(page, text).getByText('Sent', { exact: true }).waitFor()
      await page.locator('.banner').waitFor({ state: 'detached' })
    }
    t.strictSame(tab.problems.filter((problem) => !/50[234]/.test(problem)), [])
  })

  t.test('with an unsent message: typing of others and older messages move nobody', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    const sent = await sendAll(bob, id, numbered(130))
    await call(bob, 'PUT', `/api/chat/messages/${sent[99]!.id}/reactions/${encodeURIComponent('👍')}`)
    await call(alice, 'PUT', `/api/chat/conversations/${id}/read`, { seq: 130 })
    const tab = await open()
    const page = await enter(tab, alice, id)
    await page.route('**/api/chat/messages', async (route) => { await route.abort() })
    await write(page, 'Waits')
    await bubble(page, 'Waits').getByText('Sending').waitFor()
    await page.locator('.banner').waitFor() // It moves the log
    await drawn(page)
    // Something is drawn again before the browser tells that the log was scrolled.
    await page.evaluate("document.querySelector('.log').scrollTop = 700; document.querySelector('.reaction').click()")
    await page.locator('.to-end').waitFor()
    await drawn(page)
    t.equal(await page.evaluate("Math.round(document.querySelector('.log').scrollTop)"), 700, 'nor does one’s own reaction, before the browser tells of the scrolling')
    const before = await topOf(page, 'Message 100.')
    await call(bob, 'POST', '/api/chat/typing', { conversationId: id, isTyping: true })
    await log(page).getByText('Bob is typing…').waitFor({ state: 'attached' })
    await drawn(page)
    t.ok(Math.abs(await topOf(page, 'Message 100.') - before) < 2, 'typing')
    await scrollTo(page, 300)
    await drawn(page)
    const mark = await topOf(page, 'Message 90.')
    await bubble(page, 'Message 31.').waitFor({ state: 'attached' })
    await drawn(page)
    t.ok(Math.abs(await topOf(page, 'Message 90.') - mark) < 2, 'older messages')

    await page.route('**/messages?*', async (route) => { await route.abort() })
    await scrollTo(page, 300)
    await page.locator('.log-problem').waitFor()
    await drawn(page)
    const within = async () => await topOf(page, 'Message 40.') - (await log(page).boundingBox())!.y
    const second = await within()
    await page.unroute('**/messages?*')
    await page.unroute('**/api/chat/messages')
    await bubble(page, 'Waits').getByText('Sent', { exact: true }).waitFor({ state: 'attached' })
    await bubble(page, 'Message 1.').first().waitFor({ state: 'attached' })
    await page.locator('.log-problem').waitFor({ state: 'detached' })
    await drawn(page)
    t.ok(Math.abs(await within() - second) < 2, 'nor does it when it goes out; and older messages that failed come by themselves')
    t.strictSame(tab.problems.filter((problem) => !problem.includes('net::ERR_')), [])
  })

  t.test('composing in every field: the keys are the input method’s', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await group(alice, 'Some', bob)
    await send(bob, id, 'Hello')
    const tab = await open()
    const page = await enter(tab, alice, id)
    const composing = async (selector: string, key: string) => await page.evaluate(`{
      const event = new KeyboardEvent('keydown', { key: '${key}', bubbles: true, cancelable: true })
      Object.defineProperty(event, 'keyCode', { value: 229 })
      document.querySelector('${selector}').dispatchEvent(event)
    }`)
    await bubble(page, 'Hello').click({ button: 'right' })
    await page.getByRole('menuitem', { name: 'More emoji' }).click()
    const search = page.getByRole('searchbox', { name: 'Search emoji' })
    await page.locator('.picker-grid button').first().waitFor()
    for (const key of ['Enter', 'Escape', 'ArrowDown']) {
      await composing('.picker-search', key)
      await drawn(page)
      t.equal(await search.count(), 1, `${key} in the search of emoji`)
      t.equal(await page.evaluate('document.activeElement.className'), 'picker-search')
    }
    await search.press('Escape')
    await search.waitFor({ state: 'detached' })
    t.equal(await page.locator('.reaction').count(), 0)

    await page.keyboard.press('Control+k')
    await page.getByRole('combobox').fill('some')
    await composing('.palette-search', 'Enter')
    await drawn(page)
    t.equal(await page.getByRole('dialog', { name: 'Go to…' }).count(), 1, 'in the palette')
    await page.keyboard.press('Escape')
    await field(page).pressSequentially('@bo')
    await page.getByRole('option', { name: 'Bob' }).waitFor()
    await composing('textarea', 'Enter')
    t.equal(await field(page).inputValue(), '@bo', 'nor is a name taken')
    t.strictSame(tab.problems, [])
  })

  t.test('names that turn the words around them, in every place that shows one', async (t) => {
    const [alice, evil] = await Promise.all([arrive('Alice'), arriveAs('\u202eresu')])
    const id = await group(alice, 'Some', evil)
    await call(alice, 'PUT', `/api/chat/conversations/${encodeURIComponent(id)}/participants/${encodeURIComponent(evil.userId)}`, { role: 'admin' })
    const { id: message } = await send(evil, id, 'Hello')
    await send(alice, id, 'About it', { replyToId: message })
    await call(evil, 'PUT', `/api/chat/messages/${message}/reactions/${encodeURIComponent('👍')}`)
    await converse(alice, evil)
    const tab = await open()
    const page = await enter(tab, alice, id)
    /** The places where the override stands in a sentence, and is not isolated from it. */
    const loose = async () => await page.evaluate(`(() => {
      const isolated = /\u2068[^\u2069]*\u2069/g
      const turns = (text) => /\u202e/.test(text.replace(isolated, ''))
      const found = []
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
      while (walker.nextNode()) {
        const { textContent, parentElement } = walker.currentNode
        if (turns(textContent) && parentElement.closest('bdi, [dir=auto], script, option') === null) found.push(parentElement.outerHTML.slice(0, 200))
      }
      for (const element of document.querySelectorAll('[aria-label], [title]')) {
        for (const name of ['aria-label', 'title']) {
          const text = element.getAttribute(name)
          if (text !== null && turns(text) && text !== '\u202eresu') found.push(name + ': ' + text)
        }
      }
      return found
    })()`)
    await bubble(page, 'Hello').first().waitFor()
    await log(page).getByText('is an admin now').waitFor()
    t.strictSame(await loose(), [], 'a group')
    await call(evil, 'POST', '/api/chat/typing', { conversationId: id, isTyping: true })
    await log(page).getByText(/is typing…$/).waitFor()
    t.strictSame(await loose(), [], 'who types')
    await bubble(page, 'Hello').first().click({ button: 'right' })
    await page.getByRole('menuitem', { name: 'Info' }).click()
    await page.getByRole('dialog', { name: 'Info' }).getByText('Reactions').waitFor()
    t.strictSame(await loose(), [], 'the info of a message')
    await page.keyboard.press('Escape')
    await bubble(page, 'Hello').first().click({ button: 'right' })
    await page.getByRole('menuitem', { name: 'Reply' }).click()
    await page.locator('.composer-note').waitFor()
    t.strictSame(await loose(), [], 'a reply')
    await field(page).pressSequentially('@')
    await page.getByRole('option').first().waitFor()
    t.strictSame(await loose(), [], 'whom to mention')
    await field(page).fill('')
    await page.getByRole('button', { name: 'Who is in this group' }).click()
    const members = page.getByRole('dialog').first()
    await members.locator('.member').nth(1).waitFor()
    t.strictSame(await loose(), [], 'members')
    await members.locator('.member').nth(1).getByRole('button').click()
    await page.getByRole('menuitem', { name: 'Remove from the group' }).click()
    await page.getByRole('dialog', { name: /^Remove / }).waitFor()
    t.strictSame(await loose(), [], 'a question')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Control+k')
    await page.getByRole('dialog', { name: 'Go to…' }).waitFor()
    t.strictSame(await loose(), [], 'the palette')
    await page.keyboard.press('Escape')
    await page.locator('.item').filter({ hasText: 'No messages yet' }).click()
    await page.locator('.conversation-title').getByRole('button').click()
    await page.getByRole('dialog', { name: 'Profile' }).locator('bdi').first().waitFor()
    t.strictSame(await loose(), [], 'a profile')
    t.strictSame(tab.problems, [])
  })

  t.test('ids: with blanks and commas', async (t) => {
    const tab = await open()
    const { page } = tab
    await page.goto('/')
    await page.locator('label').filter({ hasText: 'Create account' }).click()
    await page.getByText('without spaces at its beginning or end').waitFor()
    const create = page.locator('form').getByRole('button', { name: 'Create account' })
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByLabel('User id').fill('dora ')
    await create.click()
    await page.getByRole('alert').waitFor()
    t.equal(await page.getByLabel('User id').inputValue(), 'dora ', 'the page rewrites no id')
    tab.problems.splice(0) // The browser reports the 400
    await page.getByLabel('User id').fill('dora doe')
    await create.click()
    await page.getByText('No conversations yet.').waitFor()

    for (const id of ['Doe, Jane', 'a/b?c#d', 'x; y']) {
      const other = await arriveAs(id)
      await page.getByRole('button', { name: 'New conversation' }).click()
      const making = page.getByRole('dialog', { name: 'New conversation' })
      await making.getByText('A group').click()
      await making.getByLabel('Name of the group').fill(`With ${id}`)
      await making.getByLabel('People').fill(id)
      await making.getByRole('button', { name: 'Make the group' }).click()
      await making.waitFor({ state: 'detached' })
      await page.locator('.conversation-title').getByText('2 people').waitFor()
      await page.getByRole('button', { name: 'New conversation' }).click()
      await making.getByLabel('User id').fill(id)
      await making.getByRole('button', { name: 'Start chatting' }).click()
      await page.getByRole('textbox', { name: `Message to ${id}` }).waitFor()
      await write(page, 'Hello')
      await bubble(page, 'Hello').getByText('Sent', { exact: true }).waitFor()
      await call(other, 'GET', '/api/chat/conversations')
    }
    t.strictSame(tab.problems, [])
  })

  t.test('from right to left: every part is mirrored, and numbers stay in order', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arriveAs('bob-rtl', 'محمد عبد الله')])
    const id = await group(alice, 'كرة القدم', bob)
    for (let i = 1; i <= 3; i++) await send(bob, id, `رسالة ${i}`)
    const reply = await send(bob, id, 'English within')
    await send(alice, id, 'نعم', { replyToId: reply.id })
    const tab = await open()
    await tab.page.addInitScript('addEventListener("DOMContentLoaded", () => { document.documentElement.dir = "rtl" })')
    const page = await enter(tab, alice, id)
    await bubble(page, 'نعم').first().waitFor()
    const rect = async (selector: string) => await page.evaluate(`(({ left, right }) => ({ left, right }))(document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect())`) as { left: number, right: number }
    const [list, chat] = [await rect('.sidebar'), await rect('.conversation')]
    t.ok(list.left >= chat.right - 1, 'the list is on the right')
    t.ok((await rect('.is-own .bubble')).left - chat.left < (await rect('.message:not(.is-own) .bubble')).left - chat.left, 'one’s own messages are on the left')
    await page.locator('input[type=file]').setInputFiles({ name: 'Notes.txt', mimeType: 'text/plain', buffer: Buffer.from('To do') })
    await page.locator('.send-button').click()
    await page.locator('.file small').waitFor()
    t.equal(await page.evaluate('getComputedStyle(document.querySelector(".file small")).direction'), 'ltr', 'a size is not turned round')
    t.ok((await rect('.send-button')).right < (await rect('.composer textarea')).left, 'the button to send is at the end of the field')
    t.ok((await rect('.item .avatar')).left > (await rect('.item-name bdi')).left, 'an item begins with its picture')
    t.ok(Math.abs((await rect('.item-name bdi')).right - (await rect('.item-preview')).right) < 3, 'name and text begin at one edge')
    const lines = ['.conversation-title h2', '.conversation-title p', '.me b', '.me small', '.is-own .quote b', '.is-own .quote [dir=auto]']
    for (const dir of ['rtl', 'ltr'] as const) {
      await page.evaluate(`document.documentElement.dir = '${dir}'`)
      const side = dir === 'rtl' ? 'right' : 'left'
      const edges = await Promise.all(lines.map(async (selector) => (await rect(selector))[side]))
      for (const at of [0, 2, 4]) t.ok(Math.abs(edges[at]! - edges[at + 1]!) < 1, `${dir}: ${lines[at]} and what is below begin at one edge`)
      t.ok(Math.abs((await rect('.me'))[side] - edges[2]!) < 1, 'which is that of their place')
      t.ok(Math.abs((await rect('.conversation-title'))[side] - edges[0]!) < 1)
    }
    await page.evaluate('document.documentElement.dir = "rtl"')
    await page.getByRole('button', { name: 'On the wire' }).first().click()
    await page.locator('.entry.is-call').first().waitFor()
    t.equal(await page.evaluate('getComputedStyle(document.querySelector(".entry code")).direction'), 'ltr', 'a path begins with its slash')
    await page.getByRole('button', { name: 'On the wire' }).first().click()
    await setHidden(page, true)
    for (let i = 0; i < 3; i++) await send(bob, id, 'x')
    await page.locator('.item .badge').getByText('3').waitFor()
    await until(page, 'document.title.startsWith("(3)")')
    t.equal(await page.evaluate('document.documentElement.scrollWidth > innerWidth'), false)
    t.strictSame(tab.problems, [])
  })

  t.test('slow answers: a conversation says that it loads', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    await send(bob, id, 'Hello')
    const tab = await open()
    let answer = () => {}
    await tab.page.route('**/messages?*', async (route) => {
      await new Promise<void>((resolve) => { answer = resolve })
      await route.continue()
    })
    const page = await enter(tab, alice, id)
    await log(page).getByRole('status').getByText('Loading…').waitFor()
    answer()
    await bubble(page, 'Hello').first().waitFor()
    t.equal(await log(page).getByRole('status').count(), 0)
    t.strictSame(tab.problems, [])
  })

  t.test('reduced motion: nothing moves by itself', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    await sendAll(bob, id, numbered(45))
    await call(alice, 'PUT', `/api/chat/conversations/${id}/read`, { seq: 45 })
    for (const reducedMotion of ['reduce', 'no-preference'] as const) {
      const tab = await open({ reducedMotion })
      const page = await enter(tab, alice, id)
      await bubble(page, 'Message 45.').waitFor()
      await page.evaluate('(() => { const box = document.querySelector(".log"); box.scrollTop -= box.clientHeight })()')
      await page.locator('.to-end').waitFor()
      const isThere = await page.evaluate('(() => { const box = document.querySelector(".log"); document.querySelector(".to-end").click(); return box.scrollHeight - box.scrollTop - box.clientHeight < 2 })()')
      t.equal(isThere, reducedMotion === 'reduce', reducedMotion)
      t.strictSame(tab.problems, [])
    }
  })

  t.test('forced colours: what is filled otherwise has an edge', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await group(alice, 'Some', bob)
    const { id: message } = await send(bob, id, 'Hello')
    await call(bob, 'PUT', `/api/chat/messages/${message}/reactions/${encodeURIComponent('👍')}`)
    await send(alice, id, 'Good day')
    const tab = await open({ forcedColors: 'active' })
    const page = await enter(tab, alice, id)
    await bubble(page, 'Good day').waitFor()
    await page.getByRole('button', { name: 'New conversation' }).click()
    await page.getByRole('dialog').waitFor()
    const selectors = ['.bubble', '.is-own .bubble', '.reaction', '.composer-row', '.send-button', '.avatar', '.item[aria-current]', '.day span', '.dialog', '.dialog :is(.chips-field, .field > input)', '.button.is-primary', '.segments :checked + span']
    t.strictSame(await page.evaluate(`${JSON.stringify(selectors)}.filter((selector) => {
      const { borderTopWidth, borderTopStyle } = getComputedStyle(document.querySelector(selector))
      return borderTopStyle === 'none' || parseFloat(borderTopWidth) === 0
    })`), [])
    // What has the focus has an outline: colours and shadows are taken away.
    const outline = async () => await page.evaluate('(() => { const of = ({ outlineStyle, outlineWidth }) => outlineStyle + outlineWidth; const element = document.activeElement; return [element, element.parentElement].map((one) => of(getComputedStyle(one))) })()') as string[]
    await page.getByRole('dialog').getByLabel('User id').focus()
    t.match((await outline())[0], /^solid[23]px/, 'a field')
    await page.keyboard.press('Escape')
    await field(page).focus()
    t.match((await outline())[1], /^solid[23]px/, 'the field for a message')
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('ArrowUp')
    await page.keyboard.press('Enter')
    await page.getByRole('menu').waitFor()
    t.match((await outline())[0], /^solid[23]px/, 'a reaction of the menu')
    await page.keyboard.press('End')
    t.match((await outline())[0], /^solid[23]px/, 'an item of the menu')
    t.strictSame(tab.problems, [])
  })

  t.test('at 200 %: messages and their field are in view', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    await sendAll(bob, id, numbered(12))
    await call(alice, 'PUT', `/api/chat/conversations/${id}/read`, { seq: 12 })
    const tab = await open()
    const page = await enter(tab, alice, id)
    for (const [width, height] of [[720, 450], [550, 350], [512, 384], [195, 390], [640, 256]] as const) {
      await page.setViewportSize({ width, height })
      await page.reload()
      await bubble(page, 'Message 12.').waitFor()
      await drawn(page)
      const box = (await log(page).boundingBox())!
      t.ok(box.height >= 90, `${width} × ${height}: ${box.height} px of messages`)
      t.ok(await isInView(page, '.composer textarea'), 'the field')
      t.ok(await isInView(page, '.send-button'), 'its button')
      t.equal(await page.evaluate('document.documentElement.scrollWidth > innerWidth'), false, 'nothing is wider than the window')
      await page.getByRole('button', { name: 'On the wire' }).first().click()
      await page.locator('.wire').waitFor()
      await drawn(page)
      t.ok((await log(page).boundingBox())!.height >= 60, 'and with the wire')
    }
    t.strictSame(tab.problems, [])
  })

  t.test('a new name reaches messages that were loaded before, quotes and mentions', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await group(alice, 'Some', bob)
    await sendAll(bob, id, numbered(70))
    const { messages: [first] } = await call<{ messages: { id: string }[] }>(alice, 'GET', `/api/chat/conversations/${id}/messages?before=71`)
    await send(alice, id, 'About that', { replyToId: first!.id })
    await call(alice, 'PUT', `/api/chat/conversations/${id}/read`, { seq: 70 })
    const tab = await open()
    const page = await enter(tab, alice, id)
    await bubble(page, 'About that').waitFor()
    await scrollTo(page, 300)
    await scrollTo(page, 0)
    await bubble(page, 'Message 1.').first().waitFor({ state: 'attached' })
    await call(bob, 'PATCH', '/api/chat/me', { displayName: 'Robert' })
    await page.locator('.sender').first().getByText('Robert').waitFor({ state: 'attached' })
    t.strictSame(await page.evaluate('[...document.querySelectorAll(".log :is(.sender, .quote b)")].filter(({ textContent }) => textContent !== "Robert").length'), 0)
    t.equal(await page.locator('.message[aria-label^="Bob"]').count(), 0, 'nor does a screen reader say the old one')
    t.strictSame(tab.problems, [])
  })

  t.test('where the service takes no files, none can be picked, pasted or dropped', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    const tab = await open()
    // As a server with FILES=off writes it.
    await tab.page.route(`${server.baseUrl}/`, async (route) => {
      const response = await route.fetch()
      await route.fulfill({ response, body: (await response.text()).replace('data-files="on"', 'data-files="off"') })
    })
    const page = await enter(tab, alice, id)
    t.equal(await page.locator('.attach-button, input[type=file]').count(), 0)
    const taken = await page.evaluate(`(() => {
      const data = new DataTransfer()
      data.items.add(new File(['x'], 'Notes.txt'))
      const give = (event) => !document.querySelector('textarea').dispatchEvent(event)
      const options = { bubbles: true, cancelable: true }
      return [give(new ClipboardEvent('paste', { clipboardData: data, ...options })), give(new DragEvent('drop', { dataTransfer: data, ...options }))]
    })()`)
    t.strictSame(taken, [false, false], 'the browser does what it does without us')
    await drawn(page)
    t.equal(await page.locator('.chosen-files').count(), 0)
    t.strictSame(tab.problems, [])
  })
})
