import { readFileSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import sharp from 'sharp'
import t from 'tap'
import { serverProcess } from '../client/server-process.js'
import { built, closeAll, findings, launch, noBrowser, profile } from './browser.js'
import { picture, SECRETS } from '../files/pictures.js'
import { bubble, createCast, drawn, field, log, numbered, scrollTo, setHidden, textsOf, until, write, type Account } from './cast.js'

// What a day with the page is like: reading on, writing without a connection, and what must not be lost or marked wrongly.

let browser: Browser
let server: Awaited<ReturnType<typeof serverProcess>>
const { call, arrive, arriveAs, converse, group, send, sendAll, enter } = createCast(() => server.baseUrl)

/** @returns the id of a picture that can be attached */
async function upload ({ token }: Account, name: string): Promise<string> {
  const form = new FormData()
  form.append('file', new Blob([await picture('png', { width: 90, height: 60 })]), name)
  const response = await fetch(`${server.baseUrl}/api/chat/files`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: form })
  return ((await response.json()) as { fileId: string }).fileId
}

const line = (page: Page) => page.locator('.is-unread')
/** The distance of an element from the top of the window, in pixels. */
const topOf = async (page: Page, text: string) => Math.round((await bubble(page, text).first().boundingBox())!.y)
const firstNew = async (page: Page) => await page.evaluate('document.querySelector(".is-unread").nextElementSibling.querySelector(".text").textContent') as string

t.setTimeout(500_000)

t.test('a day with the page', { skip: noBrowser, timeout: 170_000 }, async (t) => {
  await built()
  ;[browser, server] = await Promise.all([launch(t), serverProcess(t, { PAGE: 'on', FILES_DIR: t.testdir(), FILE_TYPES: 'image/*,audio/*,video/*,text/*,application/pdf' })])
  t.afterEach(async () => { await closeAll(browser) })
  const open = async (options = {}) => await (await profile(t, browser, server.baseUrl, options))()

  t.test('unread messages: where one begins to read, and what is marked', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    const unread = async () => (await call<{ unreadCount: number }>(alice, 'GET', `/api/chat/conversations/${id}`)).unreadCount
    await sendAll(bob, id, numbered(80))
    await call(alice, 'PUT', `/api/chat/conversations/${id}/read`, { seq: 3 })

    const tab = await open({ reducedMotion: 'reduce' })
    const page = await enter(tab, alice, id)
    await line(page).waitFor()
    t.equal(await firstNew(page), 'Message 4.', 'the line is above the first')
    t.ok(await topOf(page, 'Message 4.') < 250, 'which is at the top')
    await page.locator('.to-end .badge').waitFor()
    t.ok(await unread() > 40, 'only what was on screen has been read')
    await page.getByRole('button', { name: 'To the newest message' }).click()
    await bubble(page, 'Message 80.').waitFor()
    await page.locator('.to-end').waitFor({ state: 'detached' })
    await until(page, 'document.querySelector(".item .badge") === null')
    t.equal(await unread(), 0)
    t.equal(await page.evaluate('document.activeElement.getAttribute("role")'), 'log', 'the focus is where one reads')

    await setHidden(page, true)
    await sendAll(bob, id, numbered(25, 'While away'))
    await bubble(page, 'While away 25.').waitFor({ state: 'attached' })
    await drawn(page)
    t.equal(await unread(), 25, 'a hidden page reads nothing')
    t.equal(await firstNew(page), 'While away 1.')
    t.ok(await topOf(page, 'While away 1.') > 0, 'the first new one is still on screen')
    await setHidden(page, false)
    await until(page, 'Number(document.querySelector(".to-end .badge")?.textContent) < 25')
    t.ok(await unread() > 5, 'those below have not been read')
    await page.getByRole('button', { name: 'To the newest message' }).click()
    await page.locator('.to-end').waitFor({ state: 'detached' })

    await scrollTo(page, 300)
    await page.locator('.to-end').waitFor()
    const deleted = await send(bob, id, 'Soon gone')
    await send(bob, id, 'While above')
    await page.locator('.to-end .badge').getByText('2').waitFor()
    await call(bob, 'DELETE', `/api/chat/messages/${deleted.id}`)
    await page.locator('.to-end .badge').getByText('1').waitFor()
    await page.locator('.item .badge').getByText('1').waitFor()
    t.equal(await firstNew(page), 'While above', 'a deleted one does not count')
    await write(page, 'My answer')
    await bubble(page, 'My answer').waitFor()
    t.equal(await line(page).count(), 0, 'one’s own message ends it')
    t.strictSame(tab.problems, [])
  })

  t.test('without a connection: what is written waits, and nothing moves the reader', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    await sendAll(bob, id, numbered(40))
    await call(alice, 'PUT', `/api/chat/conversations/${id}/read`, { seq: 40 })
    const tab = await open()
    const page = await enter(tab, alice, id)
    const other = await open()
    await enter(other, bob, id)
    const presence = page.locator('.conversation-title').getByText('online', { exact: true })
    await presence.waitFor()
    await page.context().setOffline(true)
    await page.locator('.banner').getByText('What you write is sent when it is back.').waitFor()
    t.equal(await presence.count(), 0, 'nobody is known to be online')
    await write(page, 'Written offline')
    await bubble(page, 'Written offline').getByText('Sending').waitFor()
    t.strictSame(await findings(page, '.message.is-pending'), [], 'what waits can be read')
    await page.context().setOffline(false)
    await bubble(page, 'Written offline').getByText('Read').waitFor()
    await page.locator('.banner').waitFor({ state: 'detached' })

    // Calls fail while the stream stays.
    await page.route('**/api/chat/messages', async (route) => { await route.abort() })
    await write(page, 'Waits')
    await page.locator('.banner').getByText('What you write is sent when it is back.').waitFor()
    await page.unroute('**/api/chat/messages')
    await bubble(page, 'Waits').getByText('Read').waitFor()

    await page.route('**/api/chat/messages', async (route) => { await route.fulfill({ status: 403, json: { statusCode: 403, code: 'FORBIDDEN', error: 'Forbidden', message: 'No' } }) })
    await write(page, 'Refused')
    await bubble(page, 'Refused').getByText('Not sent.').waitFor()
    await page.unroute('**/api/chat/messages')
    await write(page, 'After it')
    await bubble(page, 'After it').getByText('Read').waitFor()
    t.equal(await page.evaluate('getComputedStyle([...document.querySelectorAll(".message:has(.is-read) .bubble")].at(-1)).opacity'), '1')
    await scrollTo(page, 200)
    await page.locator('.to-end').waitFor()
    const before = await topOf(page, 'Message 10.')
    await send(bob, id, 'An arrival')
    await bubble(page, 'An arrival').waitFor({ state: 'attached' })
    await field(page).pressSequentially('typing')
    await drawn(page)
    t.ok(Math.abs(await topOf(page, 'Message 10.') - before) < 2, 'an unsent message moves nobody')
    t.strictSame((await textsOf(page)).at(-1), 'Refused', 'unsent messages are below all others')
    t.strictSame(tab.problems.filter((problem) => !/403|net::ERR_/.test(problem)), [])
  })

  t.test('what one has begun to write, and where one was', async (t) => {
    const [alice, bob, carol] = await Promise.all([arrive('Alice'), arrive('Bob'), arrive('Carol')])
    const [id, other] = [await converse(alice, bob), await converse(alice, carol)]
    await sendAll(bob, id, numbered(60).map((text, index) => `${text} ${'word '.repeat((index + 1) % 7 * 8)}`))
    await send(alice, other, 'To be corrected')
    await call(alice, 'PUT', `/api/chat/conversations/${id}/read`, { seq: 60 })
    const openAlice = await profile(t, browser, server.baseUrl)
    const tab = await openAlice()
    const page = await enter(tab, alice, id)
    await field(page).fill('Half a sent')
    await page.reload()
    t.equal(await field(page).inputValue(), 'Half a sent', 'a reload keeps it')
    const second = await openAlice()
    await enter(second, alice, id)
    t.equal(await field(second.page).inputValue(), 'Half a sent')
    await field(page).fill('Half a sentence')
    await until(second.page, 'document.querySelector("textarea").value === "Half a sentence"')
    await second.page.close()

    await page.getByRole('button', { name: /^Carol/ }).click()
    await page.getByRole('button', { name: /Draft:\s*Half a sentence/ }).waitFor()
    await bubble(page, 'To be corrected').waitFor()
    await field(page).press('ArrowUp')
    const edited = page.getByRole('textbox', { name: 'Your message' })
    await edited.fill('Corrected')
    await page.getByRole('button', { name: /^Bob/ }).click()
    await page.getByRole('button', { name: /^Carol/ }).click()
    t.equal(await edited.inputValue(), 'Corrected', 'an edit survives a look elsewhere')
    let answer = () => {}
    await page.route('**/api/chat/messages/*', async (route) => {
      await new Promise<void>((resolve) => { answer = resolve })
      await route.continue()
    })
    await edited.press('Enter')
    await field(page).fill('Typed meanwhile')
    answer()
    await bubble(page, 'Corrected').getByText('edited').waitFor()
    t.equal(await field(page).inputValue(), 'Typed meanwhile')
    await page.unroute('**/api/chat/messages/*')

    await page.getByRole('button', { name: /^Bob/ }).click()
    await bubble(page, 'Message 60.').waitFor()
    await scrollTo(page, 900)
    await page.locator('.to-end').waitFor()
    await drawn(page)
    const firstShown = async () => await page.evaluate(`(() => {
      const { top } = document.querySelector('.log').getBoundingClientRect()
      const message = [...document.querySelectorAll('.message')].find((message) => message.getBoundingClientRect().bottom > top + 8)
      return [message.dataset.seq, Math.round(message.getBoundingClientRect().top - top)]
    })()`) as [string, number]
    const place = await firstShown()
    const isThere = async (why: string) => {
      await drawn(page)
      const [seq, offset] = await firstShown()
      t.equal(seq, place[0], why)
      t.ok(Math.abs(offset - place[1]) < 3, `${why}: ${offset}, was ${place[1]}`)
    }
    await page.getByRole('button', { name: /^Carol/ }).click()
    await page.getByRole('button', { name: /^Bob/ }).click()
    await bubble(page, 'Message 60.').waitFor({ state: 'attached' })
    await isThere('back in the conversation')
    await page.getByRole('button', { name: 'On the wire' }).click()
    await isThere('with the wire')
    await page.setViewportSize({ width: 800, height: 640 })
    await isThere('in a narrower window')
    t.strictSame(tab.problems, [])
  })

  t.test('input methods, names that turn words around, languages that are none, and what is read out', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arriveAs('\u202eyob')])
    const id = await group(alice, '\u202eseman', bob)
    const tab = await open()
    await tab.page.addInitScript('Object.defineProperty(navigator, "language", { value: "en-US@posix" })')
    const page = await enter(tab, alice, id)
    await field(page).fill('にほん')
    const composing = (selector: string, key: string) => page.evaluate(`{
      const event = new KeyboardEvent('keydown', { key: '${key}', bubbles: true, cancelable: true })
      Object.defineProperty(event, 'keyCode', { value: 229 })
      document.querySelector('${selector}').dispatchEvent(event)
    }`)
    await composing('textarea', 'Enter')
    t.equal(await field(page).inputValue(), 'にほん', 'the key that ends composing sends nothing')
    await field(page).press('Enter')
    await bubble(page, 'にほん').getByText('Sent', { exact: true }).waitFor()
    await field(page).press('ArrowUp')
    await composing('textarea', 'Escape')
    t.equal(await page.getByText('Editing your message').count(), 1, 'nor does it end an edit')
    await page.getByRole('textbox', { name: 'Your message' }).press('Escape')
    await page.getByRole('button', { name: 'New conversation' }).click()
    await page.getByText('A group', { exact: true }).click()
    await page.getByLabel('People').fill('か')
    await composing('.chips-field input', 'Enter')
    t.equal(await page.locator('.chip').count(), 0, 'nor makes a chip')
    await page.getByLabel('People').fill('Doe, Jane ')
    await page.getByLabel('People').press('Enter')
    t.equal(await page.locator('.chip bdi').textContent(), 'Doe, Jane ', 'an id stays as it was written')
    await page.keyboard.press('Escape')

    const news = page.getByRole('log', { name: 'New messages' })
    await Promise.all(['Same words', 'Same words', 'Other words'].map(async (text) => { await send(bob, id, text) }))
    await bubble(page, 'Other words').waitFor()
    t.strictSame((await news.locator('p').allTextContents()).sort(), ['Other words', 'Same words', 'Same words'].map((text) => `\u2068yob\u2069: ${text}`), 'each is read out')
    await call(bob, 'POST', '/api/chat/typing', { conversationId: id, isTyping: true })
    await log(page).getByText('\u2068yob\u2069 is typing…').waitFor()
    t.strictSame(await page.evaluate('[...document.querySelectorAll(".sender, .conversation-title, .item, .typing")].filter((element) => /\\u202e/.test(element.textContent) && ![...element.querySelectorAll("bdi, [dir=auto]")].some((part) => /\\u202e/.test(part.textContent))).length'), 0)
    t.strictSame(tab.problems, [])
  })

  t.test('links, emoji, markup and long texts', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    const tab = await open()
    const page = await enter(tab, alice, id)
    const links: [string, string[]][] = [
      ['See https://en.wikipedia.org/wiki/Foo_(bar), (https://a.example/b)', ['https://en.wikipedia.org/wiki/Foo_(bar)', 'https://a.example/b']],
      ['见 https://a.example/c。https://a.example/d） https://a.example/e\u200bf', ['https://a.example/c', 'https://a.example/d', 'https://a.example/e']],
      ['www.example.org/x or ann@a.example, not readme.md', ['http://www.example.org/x', 'mailto:ann@a.example']]
    ]
    for (const [text, expected] of links) {
      const { seq } = await send(bob, id, text)
      const shown = page.locator(`[data-seq="${seq}"] .text`)
      await shown.locator('a').nth(expected.length - 1).waitFor()
      t.strictSame(await page.evaluate(`[...document.querySelectorAll('[data-seq="${seq}"] .text a')].map((link) => link.getAttribute("href"))`), expected)
      t.equal(await shown.textContent(), text)
    }
    for (const [text, big] of [['🇩🇪', true], ['1️⃣', true], ['👩‍❤️‍💋‍👨👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿', true], ['❤️ 👍🏽', true], ['©', false], ['™', false], ['12', false], ['👍👍👍👍', false]] as const) {
      const { seq } = await send(bob, id, text)
      const message = page.locator(`.message[data-seq="${seq}"]`)
      await message.waitFor()
      t.equal((await message.getAttribute('class'))!.includes('is-big'), big, text)
    }
    const { seq } = await send(bob, id, '**bold** _italic_ ~~gone~~ `a*b*c` <b>html</b> ![x](y) 2 * 3 * 4\n```js\nlet a = "<i>"\n```\n# end')
    const marked = page.locator(`[data-seq="${seq}"] .text`)
    await marked.locator('pre').waitFor()
    t.strictSame(await page.evaluate(`[...document.querySelectorAll('[data-seq="${seq}"] .text *')].map((part) => part.localName + ': ' + part.textContent)`),
      ['strong: bold', 'em: italic', 'del: gone', 'code: a*b*c', 'pre: let a = "<i>"', 'code: let a = "<i>"'])
    t.match(await marked.textContent(), /<b>html<\/b> !\[x\]\(y\) 2 \* 3 \* 4/)
    const words = 'bold italic gone a*b*c <b>html</b> ![x](y) 2 * 3 * 4\nlet a = "<i>"\n# end'
    const listed = page.getByRole('button', { name: /^Bob/ }).locator('.item-preview')
    await listed.getByText('bold italic gone').waitFor()
    t.equal(await listed.textContent(), words, 'the list shows what the text says')
    await page.getByRole('log', { name: 'New messages' }).getByText('bold italic gone').waitFor()
    await page.locator(`.message[data-seq="${seq}"]`).click({ button: 'right' })
    await page.getByRole('menuitem', { name: 'Reply' }).click()
    t.equal(await page.locator('.composer-quote').textContent(), words)
    await write(page, 'Answer')
    await bubble(page, 'Answer').getByText('Sent', { exact: true }).waitFor()
    t.equal(await bubble(page, 'Answer').locator('.quote [dir=auto]').textContent(), words, 'and so does a quote')
    await field(page).fill('x'.repeat(4003))
    await field(page).press('Enter')
    await page.getByRole('alert').getByText('This message is 3 characters too long.').waitFor()
    await send(bob, id, 'مرحبا بالعالم')
    await bubble(page, 'مرحبا').waitFor()
    t.equal(await bubble(page, 'مرحبا').locator('.body').getAttribute('dir'), 'rtl')
    t.strictSame(tab.problems, [])
  })

  t.test('by touch: a finger that rests opens the menu, one that sweeps replies, and a tap does nothing', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    await send(alice, id, 'Mine')
    await send(bob, id, 'Theirs')
    const tab = await open({ viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true })
    const page = await enter(tab, alice, id)
    const box = (await bubble(page, 'Mine').boundingBox())!
    for (const x of [40, 120, 200, 260]) await page.touchscreen.tap(x, box.y + box.height / 2)
    await drawn(page)
    t.equal(await page.locator('[role=menu], dialog[open], .composer-note').count(), 0, 'a tap beside a message does nothing')

    const touch = await page.context().newCDPSession(page)
    const at = async (text: string) => {
      const { x, y, width, height } = (await bubble(page, text).locator('.bubble').boundingBox())!
      return { x: x + width / 2, y: y + height / 2 }
    }
    const point = await at('Mine')
    await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [point] })
    const menu = page.getByRole('menu', { name: 'What to do with this message' })
    await menu.waitFor()
    await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] })
    t.strictSame(await menu.locator('.menu-item').allTextContents(), ['Reply', 'Copy text', 'Edit', 'Info', 'Delete'])
    await menu.getByRole('menuitemcheckbox', { name: 'React with 👍' }).tap()
    await bubble(page, 'Mine').locator('.reaction').getByText('1').waitFor()

    const chip = (await bubble(page, 'Mine').locator('.reaction').boundingBox())!
    await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x: chip.x + chip.width / 2, y: chip.y + chip.height / 2 }] })
    await page.getByRole('tooltip').getByText('You').waitFor()
    await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] })
    await drawn(page)
    t.equal(await bubble(page, 'Mine').locator('.reaction').getAttribute('aria-pressed'), 'true', 'a finger that rests on a reaction shows who reacted, and does not take it back')

    const { x, y } = await at('Theirs')
    await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x, y }] })
    for (const by of [20, 50, 80]) await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: [{ x: x + by, y }] })
    await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] })
    await page.locator('.composer-note').getByText('Reply to Bob').waitFor()

    await page.getByRole('button', { name: 'On the wire' }).tap()
    await page.locator('.entry.is-call').first().waitFor()
    t.strictSame(await page.evaluate('[...document.querySelectorAll(".wire-head > *")].filter((part) => part.getBoundingClientRect().right > innerWidth).length'), 0, 'the wire fits')
    const entry = page.locator('.entry').last()
    await entry.locator('summary').tap()
    t.ok((await entry.locator('pre').first().boundingBox())!.y < 780, 'an entry opens where it can be seen')
    t.strictSame(tab.problems, [])
  })

  t.test('by keyboard: one stop for each part, and the focus is never lost', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    for (let i = 0; i < 12; i++) await converse(alice, await arrive('Somebody'))
    await sendAll(bob, id, numbered(60))
    await send(bob, id, 'https://a.example/1 https://a.example/2 https://a.example/3')
    const reply = await send(alice, id, 'About the first', { replyToId: (await call<{ messages: { id: string }[] }>(alice, 'GET', `/api/chat/conversations/${id}/messages?before=2`)).messages[0]!.id })
    await call(alice, 'PUT', `/api/chat/conversations/${id}/read`, { seq: 61 })
    const tab = await open({ reducedMotion: 'reduce' })
    const page = await enter(tab, alice)
    const { keyboard } = page
    await page.locator('.item').nth(12).waitFor()
    await page.getByRole('button', { name: /^Bob/ }).click()
    await field(page).waitFor()
    const focus = async () => await page.evaluate('document.activeElement.ariaLabel ?? document.activeElement.textContent') as string
    const isField = async () => await page.evaluate('document.activeElement.tagName === "TEXTAREA"') as boolean
    t.ok(await page.evaluate('document.querySelector("button, a, input, textarea, [tabindex]").matches(".skip")'), 'the first stop is the link that skips the others')
    await page.evaluate('document.querySelector(".skip").focus()')
    let stops = 1
    while (!await isField() && stops < 30) {
      await keyboard.press('Tab')
      stops++
    }
    t.ok(stops <= 11, `${stops} stops to the field, and no more for each link`)
    await page.evaluate('document.querySelector(".skip").focus()')
    await keyboard.press('Enter')
    t.ok(await isField(), 'the first of them leads there at once')

    await keyboard.press('Control+k')
    await page.getByRole('dialog', { name: 'Go to…' }).waitFor()
    await page.goBack()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    t.ok(await isField(), 'going back closes the dialog, and the conversation stays')
    t.match(page.url(), new RegExp(`${encodeURIComponent(id)}$`))

    await keyboard.press('Shift+Tab')
    await keyboard.press('ArrowUp')
    t.equal(await page.evaluate('document.activeElement.dataset.seq'), String(reply.seq))
    await keyboard.press('ArrowUp')
    await keyboard.press('Enter')
    await page.getByRole('menuitem', { name: 'Open https://a.example/2' }).waitFor()
    await page.evaluate('window.open = (url) => { window.opened = url }')
    await page.getByRole('menuitem', { name: 'Open https://a.example/2' }).press('Enter')
    t.equal(await page.evaluate('opened'), 'https://a.example/2', 'the menu of a message has its links')
    await keyboard.press('ArrowDown')
    await keyboard.press('Enter')
    await page.getByRole('menuitem', { name: 'Go to that message' }).waitFor()
    await keyboard.press('Escape')
    await page.locator(`[data-seq="${reply.seq}"] .quote`).click()
    await bubble(page, 'Message 1.').first().waitFor()
    await until(page, 'document.activeElement.dataset.seq === "1"')
    t.match(await focus(), /^Bob, /, 'the quote leads to its message, which has the focus')
    await page.locator('.to-end').click()
    await bubble(page, 'About the first').waitFor()
    t.equal(await page.evaluate('document.activeElement.getAttribute("role")'), 'log')
    await until(page, '(() => { const box = document.querySelector(".log"); return box.scrollHeight - box.scrollTop - box.clientHeight < 2 })()')
    await field(page).focus()
    await keyboard.press('Escape')
    await page.evaluate('document.activeElement.blur()')
    await keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys' }).waitFor()
    await keyboard.press('Escape')
    await keyboard.press('Control+k')
    await page.getByRole('combobox').fill('your prof')
    await keyboard.press('Enter')
    await page.getByRole('dialog', { name: 'Your profile' }).waitFor()
    await page.getByLabel('Your name').fill('Alice of the Sea')
    await keyboard.press('Enter')
    await page.locator('.me b').getByText('Alice of the Sea').waitFor()
    t.strictSame(tab.problems, [])
  })

  t.test('a long history costs no more than a short one', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    await send(bob, id, 'The first', { attachments: [{ fileId: await upload(bob, 'First.png') }] })
    await sendAll(bob, id, numbered(298))
    await send(bob, id, 'The last', { attachments: [{ fileId: await upload(bob, 'Last.png') }] })
    await call(alice, 'PUT', `/api/chat/conversations/${id}/read`, { seq: 300 })
    const tab = await open()
    const page = await enter(tab, alice, id)
    await bubble(page, 'The last').getByRole('button', { name: 'Show Last.png' }).click()
    await page.getByRole('dialog', { name: 'Last.png' }).waitFor()
    await page.keyboard.press('ArrowLeft')
    await page.getByRole('dialog', { name: 'First.png' }).getByRole('status').getByText('Bob').waitFor()
    t.equal(await page.locator('.message').count(), 300, 'to find the picture before, all that is older has been loaded')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await bubble(page, 'The last').waitFor()
    await drawn(page)
    t.ok(await page.evaluate('[...document.querySelectorAll(".message")].filter((message) => message.checkVisibility({ contentVisibilityAuto: true })).length') as number < 150,
      'only what is near the screen is laid out')
    await page.evaluate(`{
      window.drawn = new Set()
      new MutationObserver((records) => { for (const { target } of records) drawn.add(target.closest?.('.message')?.dataset.seq) })
        .observe(document.querySelector('.log'), { subtree: true, childList: true, attributes: true, characterData: true })
    }`)
    await field(page).pressSequentially('abc')
    await send(bob, id, 'One more')
    await bubble(page, 'One more').waitFor()
    t.ok(await page.evaluate('drawn.size') as number < 5, 'an arrival draws no other message again')
    t.ok((await textsOf(page)).includes('Message 7.'), 'and the browser’s search still finds all that is loaded')
    t.strictSame(tab.problems, [])
  })

  t.test('a group of a hundred; slow answers; a new name', async (t) => {
    const [alice, ...others] = await Promise.all(Array.from({ length: 31 }, (_, i) => i === 0 ? arrive('Alice') : arrive(`Person ${i}`)))
    const id = await group(alice!, 'Many', ...others)
    await send(others[1]!, id, 'Hello')
    const tab = await open()
    const { page } = tab
    let answer = () => {}
    await page.route('**/api/chat/conversations?*', async (route) => {
      await new Promise<void>((resolve) => { answer = resolve })
      await route.continue()
    })
    await enter(tab, alice!)
    await page.getByRole('status').getByText('Loading…').waitFor()
    answer()
    await page.getByRole('button', { name: /Many/ }).click()
    await page.getByRole('button', { name: 'Who is in this group' }).click()
    const dialog = page.getByRole('dialog').first()
    await dialog.locator('.member-name b').nth(11).waitFor()
    t.strictSame((await dialog.locator('.member-name b').allTextContents()).slice(1, 12), Array.from({ length: 11 }, (_, i) => `Person ${i + 1}`), 'in the order of numbers')
    t.ok((await dialog.getByLabel('Add people').boundingBox())!.y < 350, 'adding is above them')
    await dialog.getByLabel('Search people').fill('person 29')
    t.equal(await dialog.locator('.member').count(), 1)
    await dialog.locator('.member').getByRole('button').click()
    await page.getByRole('menuitem', { name: 'Remove from the group' }).click()
    await page.getByRole('dialog', { name: 'Remove Person 29 from the group?' }).getByRole('button', { name: 'Cancel' }).click()
    await page.keyboard.press('Escape')
    await call(others[1]!, 'PATCH', '/api/chat/me', { displayName: 'Renamed' })
    await bubble(page, 'Hello').locator('.sender').getByText('Renamed').waitFor()
    t.strictSame(tab.problems, [])
  })

  t.test('in several tabs, a message sounds and notifies once, and not at all where one looks at it', async (t) => {
    const [alice, bob, carol] = await Promise.all([arrive('Alice'), arrive('Bob'), arrive('Carol')])
    const [id, other] = [await converse(alice, bob), await converse(alice, carol)]
    const openAlice = await profile(t, browser, server.baseUrl)
    const tabs = [await openAlice(), await openAlice()]
    // Both write what they tell where the test reads it in the order in which it happened.
    for (const { page } of tabs) {
      await page.addInitScript(`
        const tell = (what) => { localStorage.setItem('told', (localStorage.getItem('told') ?? '') + what + ';') }
        window.Notification = class { static permission = 'granted'; constructor (title, { body }) { tell(body) } }
        AudioContext.prototype.createOscillator = ((make) => function () { tell('♪'); return make.call(this) })(AudioContext.prototype.createOscillator)`)
    }
    const [first, second] = [await enter(tabs[0]!, alice, id), await enter(tabs[1]!, alice, other)] as const
    const told = async () => (await first.evaluate('localStorage.getItem("told") ?? ""')) as string
    const heard = async (text: string) => { for (const page of [first, second]) await page.locator('.item').getByText(text, { exact: true }).waitFor({ state: 'attached' }) }
    const item = first.locator('.item').filter({ hasText: 'Bob' })
    await second.mouse.click(1, 1)
    await item.click({ button: 'right' })
    await first.getByText('Sound for new messages', { exact: true }).click()
    await until(first, 'localStorage.getItem("told") === "♪;♪;"')

    await setHidden(second, true)
    await send(bob, id, 'Looked at')
    await heard('Looked at')
    await setHidden(first, true)
    await send(bob, id, 'Once **and** for all')
    await until(first, 'localStorage.getItem("told").split(";").length === 6')
    await setHidden(first, false)
    await send(bob, id, 'Looked at again')
    await heard('Looked at again')
    await setHidden(second, false)
    await setHidden(first, true)
    await send(bob, id, 'Elsewhere')
    await until(first, 'localStorage.getItem("told").split(";").length === 8')
    await setHidden(second, true)
    await send(bob, id, 'The end')
    await until(first, 'localStorage.getItem("told").split(";").length === 11')
    const notes = (await told()).split(';')
    t.strictSame(notes.slice(2, 5).sort(), ['Once and for all', '♪', '♪'], 'nobody looks: one notification, and one sound of two notes')
    t.strictSame(notes.slice(5, 7), ['♪', '♪'], 'one looks at another conversation: a sound')
    t.strictSame(notes.slice(7, 10).sort(), ['The end', '♪', '♪'])
    t.strictSame([...tabs[0]!.problems, ...tabs[1]!.problems], [])
  })

  t.test('one’s own state: unread, favourite, muted, archived', async (t) => {
    const [alice, bob, carol] = await Promise.all([arrive('Alice'), arrive('Bob'), arrive('Carol')])
    const [id, other] = [await converse(alice, bob), await converse(alice, carol)]
    await send(bob, id, 'Hello')
    await send(carol, other, 'Good day')
    const tab = await open()
    await tab.page.addInitScript('window.told = []; window.Notification = class { static permission = "granted"; constructor (title, { body }) { told.push(body) } }')
    await tab.page.addInitScript(`
      window.heard = 0
      AudioContext.prototype.createOscillator = ((make) => function () { heard++; return make.call(this) })(AudioContext.prototype.createOscillator)`)
    const page = await enter(tab, alice, id)
    const item = (name: string) => page.locator('.item').filter({ hasText: name })
    const filter = async (name: string) => { await page.getByRole('group', { name: 'Which conversations' }).getByText(name, { exact: true }).click() }
    const choose = async (name: string, action: string) => {
      await item(name).click({ button: 'right' })
      await page.getByRole('menu', { name: 'What to do with this conversation' }).getByText(action, { exact: true }).click()
    }
    await item('Carol').locator('.badge').waitFor()
    await item('Bob').locator('.badge').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'What to do with this conversation' }).click()
    await page.getByRole('menuitem', { name: 'Mark as unread' }).click()
    await item('Bob').locator('.badge').waitFor()
    t.equal(await field(page).count(), 0, 'what is marked as unread is left, or it would be read at once')
    await choose('Carol', 'Mark as read')
    await item('Carol').locator('.badge').waitFor({ state: 'detached' })
    await filter('Unread')
    await item('Carol').waitFor({ state: 'detached' })
    await item('Bob').click()
    await item('Bob').waitFor({ state: 'detached' })
    await page.getByRole('status').getByText('None here.').waitFor()
    await filter('All')

    await choose('Carol', 'Sound for new messages')
    await until(page, 'heard > 0')
    await page.evaluate('heard = 0')
    await send(bob, id, 'Unheard')
    await bubble(page, 'Unheard').waitFor()
    await send(carol, other, 'Heard')
    await until(page, 'heard > 0')
    await page.evaluate('heard = 0')
    await page.reload()
    await item('Carol').waitFor()
    await page.mouse.click(1, 1)
    await send(carol, other, 'Heard again')
    await until(page, 'heard > 0')
    await choose('Carol', 'Sound for new messages')
    await item('Carol').click({ button: 'right' })
    await page.getByRole('menuitemcheckbox', { name: 'Sound for new messages', checked: false }).press('Escape')
    await choose('Carol', 'Mark as read')
    await item('Carol').locator('.badge').waitFor({ state: 'detached' })
    await choose('Carol', 'Favourite')
    await item('Carol').getByTitle('Favourite').waitFor()
    await choose('Carol', 'Mute')
    await item('Carol').getByTitle('Muted').waitFor()
    t.strictSame(await findings(page), [])
    await filter('Favourites')
    await item('Bob').waitFor({ state: 'detached' })
    await item('Carol').waitFor()
    await filter('All')
    await choose('Carol', 'Archive')
    await item('Carol').waitFor({ state: 'detached' })
    await setHidden(page, true)
    await send(carol, other, 'Not told')
    await send(bob, id, 'Told')
    await until(page, 'told.length > 0')
    t.strictSame(await page.evaluate('told'), ['Told'], 'a muted conversation does not notify')
    await setHidden(page, false)
    await filter('Archived')
    await item('Carol').waitFor()
    await choose('Carol', 'Unmute')
    await send(carol, other, 'Told, too')
    await filter('All')
    await item('Carol').locator('.badge').getByText('2').waitFor()
    t.strictSame(tab.problems, [])
  })

  t.test('files: picked, pasted and dropped, with progress, and tried again', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    const [tab, other] = [await open(), await open()]
    const [a, b] = [await enter(tab, alice, id), await enter(other, bob, id)]
    const photo = { name: 'Sea.png', mimeType: 'image/png', buffer: await picture('png', { width: 900, height: 600, noise: true }) }
    const notes = { name: 'Notes.txt', mimeType: 'text/plain', buffer: Buffer.from('To do') }
    await a.locator('input[type=file]').setInputFiles([photo, notes])
    await a.getByRole('list', { name: 'Files to send' }).getByText('Notes.txt').waitFor()
    t.strictSame(await findings(a), [])
    let upload = () => {}
    await a.route('**/api/chat/files', async (route) => {
      await new Promise<void>((resolve) => { upload = resolve })
      await route.continue()
    }, { times: 1 })
    await write(a, 'Look')
    await bubble(a, 'Look').getByRole('progressbar', { name: 'Sea.png' }).waitFor()
    upload()
    const shown = bubble(b, 'Look').getByRole('button', { name: 'Show Sea.png' })
    await shown.locator('img').waitFor()
    await until(b, 'document.querySelector(".picture img").naturalWidth > 0')
    const { width, height } = (await shown.boundingBox())!
    t.ok(Math.abs(width / height - 1.5) < 0.02, 'its place has the shape of the picture')
    await a.locator('.files progress').first().waitFor({ state: 'detached' })
    const [download] = await Promise.all([b.waitForEvent('download'), bubble(b, 'Look').getByTitle('Download Notes.txt').click()])
    t.equal(download.suggestedFilename(), 'Notes.txt')
    await shown.click()
    await b.getByRole('dialog', { name: 'Sea.png' }).getByRole('img').waitFor()
    t.strictSame(await findings(b), [])
    await b.keyboard.press('Escape')

    await a.getByRole('group', { name: 'Be told of new messages' }).getByRole('button', { name: 'Not now' }).click()
    // A second of silence
    const give = async (event: string, how: string) => {
      await a.evaluate(`{
        const sound = new Uint8Array(8044)
        new DataView(sound.buffer).setUint32(4, 8036, true)
        sound.set([...'RIFF'].map((char) => char.charCodeAt(0)), 0)
        sound.set([...'WAVEfmt '].map((char) => char.charCodeAt(0)), 8)
        sound.set([16, 0, 0, 0, 1, 0, 1, 0, 64, 31, 0, 0, 64, 31, 0, 0, 1, 0, 8, 0], 16)
        sound.set([...'data'].map((char) => char.charCodeAt(0)), 36)
        new DataView(sound.buffer).setUint32(40, 8000, true)
        const data = new DataTransfer()
        data.items.add(new File([sound], '${event}.wav'))
        document.querySelector('textarea').dispatchEvent(new ${how}('${event}', { ${how === 'DragEvent' ? 'dataTransfer' : 'clipboardData'}: data, bubbles: true, cancelable: true }))
      }`)
      await a.locator('.chosen-files').getByText(`${event}.wav`).waitFor()
    }
    await give('paste', 'ClipboardEvent')
    await give('drop', 'DragEvent')
    await a.getByRole('button', { name: 'Take paste.wav off' }).click()
    await a.getByRole('button', { name: 'Send' }).click()
    await b.locator('audio[aria-label="drop.wav"]').waitFor()
    await until(b, 'document.querySelector("audio").duration === 1')
    await b.locator('.item').getByText('drop.wav').waitFor()

    await a.locator('input[type=file]').setInputFiles({ ...notes, name: 'Notes.bin', buffer: Buffer.from([0, 1, 2]) })
    await write(a, 'Refused')
    await bubble(a, 'Refused').getByText('Files of this kind can’t be sent here.').waitFor()
    await a.route('**/api/chat/files', async (route) => { await route.fulfill({ status: 201, json: { fileId: 'gone', name: 'Notes.bin', type: 'text/plain', size: 3, width: null, height: null, thumbhash: null, hasThumbnail: false, expiresAt: '2030-01-01T00:00:00.000Z' } }) })
    await bubble(a, 'Refused').getByRole('button', { name: 'Try again' }).click()
    await bubble(a, 'Refused').getByText('The file is no longer there.').waitFor()
    await bubble(a, 'Refused').getByRole('button', { name: 'Discard' }).click()
    await bubble(a, 'Refused').waitFor({ state: 'detached' })
    t.strictSame([...tab.problems, ...other.problems].filter((problem) => !/415|422/.test(problem)), [])
  })

  t.test('files of a phone, a scanner, a screenshot, a printer, a camera and a microphone', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    const [tab, other] = [await open(), await open()]
    const [a, b] = [await enter(tab, alice, id), await enter(other, bob, id)]
    const photo = await picture('jpeg', { width: 1200, height: 900, orientation: 6, noise: true })
    t.ok(photo.includes(SECRETS[0]!))
    const chosen = {
      'IMG_2041.jpg': photo,
      'Scan.tiff': await sharp({ create: { width: 600, height: 800, channels: 3, background: '#fff' } }).tiff({ compression: 'lzw' }).toBuffer(),
      'Screenshot.png': await a.screenshot(),
      'Report.pdf': await a.pdf()
    }
    await a.locator('input[type=file]').setInputFiles(Object.entries(chosen).map(([name, buffer]) => ({ name, mimeType: '', buffer })))
    await write(a, 'Of today')
    const theirs = bubble(b, 'Of today')
    for (const [name, width, height] of [['IMG_2041.jpg', 900, 1200], ['Screenshot.png', 1100, 700]] as const) {
      const shown = theirs.getByRole('button', { name: `Show ${name}` })
      await shown.locator('img').waitFor()
      await until(b, '[...document.querySelectorAll(".picture img")].every((image) => image.naturalWidth > 0)')
      const thumbnail = await b.evaluate(`(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight])(document.querySelector('[aria-label="Show ${name}"] img'))`) as [number, number]
      t.equal(Math.max(...thumbnail), 320, `${name}: a thumbnail`)
      t.ok(Math.abs(thumbnail[0] / thumbnail[1] - width / height) < 0.01, `${name}: upright`)
      await shown.click()
      const dialog = b.getByRole('dialog', { name })
      await until(b, `document.querySelector('.lightbox')?.naturalWidth === ${width} && document.querySelector('.lightbox').naturalHeight === ${height}`)
      const [saved] = await Promise.all([b.waitForEvent('download'), dialog.getByTitle(`Download ${name}`).click()])
      const bytes = readFileSync(await saved.path())
      for (const secret of SECRETS) t.notOk(bytes.includes(secret), `${name}: nobody learns where it was taken`)
      const pixels = async (of: Buffer) => await sharp(of).autoOrient().raw().toBuffer()
      t.ok((await pixels(bytes)).equals(await pixels(chosen[name])), `${name}: not a pixel is lost`)
      await b.keyboard.press('Escape')
      t.equal(await b.evaluate('document.activeElement.ariaLabel'), `Show ${name}`, 'the focus is back')
    }
    await theirs.getByRole('button', { name: 'Show IMG_2041.jpg' }).click()
    const isShown = async (name: string, what: string) => {
      await b.getByRole('dialog', { name }).waitFor()
      await until(b, `document.querySelector('.lightbox')?.alt === '${name}'`)
      t.pass(what)
    }
    const swipe = async (from: number, to: number) => await b.evaluate(`{
      const target = document.querySelector('.lightbox')
      const touch = (clientX) => new Touch({ identifier: 1, target, clientX, clientY: 300 })
      target.dispatchEvent(new TouchEvent('touchstart', { touches: [touch(${from})], changedTouches: [touch(${from})], bubbles: true }))
      target.dispatchEvent(new TouchEvent('touchend', { changedTouches: [touch(${to})], bubbles: true }))
    }`)
    await isShown('IMG_2041.jpg', 'the first')
    await b.keyboard.press('ArrowRight')
    await isShown('Screenshot.png', 'an arrow key')
    await b.keyboard.press('ArrowRight')
    await isShown('Screenshot.png', 'and not past the last')
    await swipe(300, 420)
    await isShown('IMG_2041.jpg', 'a finger')
    await b.getByRole('button', { name: 'Next picture' }).click()
    await isShown('Screenshot.png', 'a button')
    t.strictSame(await findings(b), [])
    await b.keyboard.press('Escape')
    await b.getByRole('dialog').waitFor({ state: 'detached' })
    t.equal(await b.evaluate('document.activeElement.ariaLabel'), 'Show IMG_2041.jpg', 'the focus is back where it was')
    for (const name of ['Scan.tiff', 'Report.pdf'] as const) {
      const [saved] = await Promise.all([b.waitForEvent('download'), theirs.getByTitle(`Download ${name}`).click()])
      t.equal(saved.suggestedFilename(), name)
      t.ok(readFileSync(await saved.path()).equals(chosen[name]), `${name}: as it was sent`)
    }

    // Recorded by the browser, as an app would
    const record = async (name: string, source: string) => {
      await a.evaluate(`(async () => {
        const recorder = new MediaRecorder(${source})
        const parts = []
        recorder.ondataavailable = ({ data }) => { parts.push(data); if (parts.length === 3) recorder.stop() }
        const stopped = new Promise((resolve) => { recorder.onstop = resolve })
        recorder.start(100)
        await stopped
        const data = new DataTransfer()
        data.items.add(new File(parts, '${name}'))
        document.querySelector('textarea').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
      })()`)
      await a.locator('.chosen-files').getByText(name).waitFor()
      await a.getByRole('button', { name: 'Send' }).click()
      const player = b.locator(`[aria-label="${name}"]`)
      await player.waitFor()
      await until(b, `document.querySelector('[aria-label="${name}"]').readyState >= 1`)
    }
    await record('Film.webm', `(() => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 })
      const context = canvas.getContext('2d')
      setInterval(() => { context.fillStyle = 'hsl(' + Math.random() * 360 + ' 80% 50%)'; context.fillRect(0, 0, 64, 48) }, 20)
      return canvas.captureStream(25)
    })()`)
    t.strictSame(await b.evaluate('(({ videoWidth, videoHeight }) => [videoWidth, videoHeight])(document.querySelector(\'[aria-label="Film.webm"]\'))'), [64, 48])
    await record('Voice.webm', `(() => {
      const context = new AudioContext()
      const [tone, into] = [context.createOscillator(), context.createMediaStreamDestination()]
      tone.connect(into)
      tone.start()
      return into.stream
    })()`)
    t.strictSame([...tab.problems, ...other.problems], [])
  })

  t.test('a group: mentions, reactions with any emoji, settings, moderators, and being told', async (t) => {
    const [alice, bob, carol] = await Promise.all([arrive('Alice'), arrive('Bob Builder'), arrive('Carol')])
    const id = await group(alice, 'Builders', bob, carol)
    const [tab, other] = [await open(), await open()]
    await tab.page.addInitScript('Object.defineProperty(Notification, "permission", { value: "default" })')
    const [a, b] = [await enter(tab, alice, id), await enter(other, bob, id)]
    await field(a).pressSequentially('Hello @bu')
    await a.getByRole('option', { name: 'Bob Builder' }).waitFor()
    await field(a).press('Enter')
    await until(a, 'document.querySelector("textarea").value === "Hello @Bob Builder "')
    await field(a).press('Enter')
    await b.locator('.is-for-me .mention.is-me').getByText('@Bob Builder').waitFor()
    await a.getByRole('group', { name: 'Be told of new messages' }).getByRole('button', { name: 'Not now' }).click()
    await a.reload()
    await write(a, 'Again')
    await bubble(b, 'Again').waitFor()
    t.equal(await a.getByText('Be told of new messages').count(), 0, 'nobody is asked twice')

    await bubble(b, 'Again').click({ button: 'right' })
    await b.getByRole('menuitem', { name: 'More emoji' }).click()
    await b.getByRole('searchbox', { name: 'Search emoji' }).fill('octopus')
    await b.locator('.picker-grid button').first().click()
    const reaction = bubble(a, 'Again').getByRole('button', { name: '🐙, 1' })
    await reaction.click()
    const both = bubble(b, 'Again').getByRole('button', { name: '🐙, 2' })
    await both.hover()
    const who = b.getByRole('tooltip')
    await who.getByText('Alice').waitFor()
    t.strictSame(await who.getByRole('listitem').allTextContents(), ['You', 'Alice'], 'a pointer that rests on a reaction shows who reacted')
    t.strictSame(await findings(b), [])
    await b.keyboard.press('Escape')
    await who.waitFor({ state: 'detached' })
    await b.mouse.move(0, 0)
    await both.hover()
    await who.waitFor()
    await b.mouse.move(0, 0)
    await who.waitFor({ state: 'detached' })
    await bubble(a, 'Again').click({ button: 'right' })
    await a.getByRole('menuitem', { name: 'Info' }).click()
    await a.getByRole('dialog', { name: 'Info' }).getByText('Bob Builder').first().waitFor()
    const seenBy = a.getByRole('region', { name: 'Read by 1' })
    await seenBy.getByText('Bob Builder').waitFor()
    await seenBy.locator('time').waitFor()
    await a.getByRole('region', { name: 'Not yet delivered to 1' }).getByText('Carol').waitFor()
    t.strictSame(await findings(a), [])
    await a.keyboard.press('Escape')

    const { id: bad } = await send(bob, id, 'Not nice')
    await bubble(a, 'Not nice').click({ button: 'right' })
    await a.getByRole('menuitem', { name: 'Delete' }).click()
    await a.getByRole('dialog', { name: 'Delete this message?' }).getByRole('button', { name: 'Delete' }).click()
    await log(b).getByText('Message deleted by a moderator').waitFor()
    t.match(await call(bob, 'GET', `/api/chat/messages/${bad}`), { deletedBy: alice.userId })

    await a.getByRole('button', { name: 'Who is in this group' }).click()
    await a.getByRole('button', { name: 'Group settings' }).click()
    const settings = a.getByRole('dialog', { name: 'Group settings' })
    await settings.getByLabel('Name of the group').fill('Announcements')
    await a.context().route('https://pictures.example/**', async (route) => { await route.fulfill({ contentType: 'image/png', body: await picture('png', { width: 40, height: 40 }) }) })
    await b.context().route('https://pictures.example/**', async (route) => { await route.fulfill({ contentType: 'image/png', body: await picture('png', { width: 40, height: 40 }) }) })
    await settings.getByLabel('Picture').fill('https://pictures.example/group.png')
    await settings.getByRole('group', { name: 'Who can write' }).getByLabel('Only admins').check()
    await settings.getByRole('button', { name: 'Save' }).click()
    await log(b).getByText('Alice named the group “Announcements”').waitFor()
    for (const page of [a, b]) {
      await until(page, '[".item", ".conversation-head"].every((place) => document.querySelector(place + " .avatar img")?.naturalWidth === 40)')
    }
    await b.locator('.composer-closed').getByText('Only admins can write here.').waitFor()
    t.equal(await field(b).count(), 0)
    await setHidden(b, true)
    await a.keyboard.press('Escape')
    await write(a, 'News')
    await until(b, 'document.title.startsWith("(1)") && document.querySelector("link[rel=icon]").href.startsWith("data:")')
    t.strictSame([...tab.problems, ...other.problems], [])
  })
})
