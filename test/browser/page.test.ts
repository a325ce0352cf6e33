import type { Browser, Page } from 'playwright-core'
import t from 'tap'
import { serverProcess } from '../client/server-process.js'
import { baseUrl, buildListening, token } from '../helper.js'
import { built, findings, launch, noBrowser, profile, type Tab } from './browser.js'
import { bubble, createCast, drawn, field, log, numbered, textsOf, typeUntil, until, write, type Account } from './cast.js'

// The page in a real browser, against a real server in its own process.

const CONNECTION_LOST = /net::ERR_(CONNECTION_|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE|NETWORK_)/

let browser: Browser
let server: Awaited<ReturnType<typeof serverProcess>>
const PASSWORD = 'correct horse battery'

const { call, arrive, converse, send, sendAll, enter } = createCast(() => server.baseUrl)
let count = 0

t.setTimeout(500_000)

t.test('the page', { skip: noBrowser, timeout: 170_000 }, async (t) => {
  await built()
  ;[browser, server] = await Promise.all([launch(t), serverProcess(t, { PAGE: 'on' })])

  t.test('one click opens two people side by side', async (t) => {
    const open = await profile(t, browser, server.baseUrl)
    const { page, problems } = await open()
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    const clipboard = async () => await page.evaluate('navigator.clipboard.readText()') as string
    await page.goto('/')
    t.strictSame(await findings(page), [], 'axe finds nothing')
    await page.getByRole('button', { name: 'Try it with two people' }).click()
    const alice = page.getByRole('region', { name: 'Alice’s chat' })
    const bob = page.getByRole('region', { name: 'Bob’s chat' })
    await field(alice).waitFor()

    await typeUntil(alice, log(bob).getByText('Alice is typing…'))
    const html = '<img src=x onerror=alert(1)> & <b>bold</b>'
    await write(alice, html)
    await bubble(bob, html).waitFor()
    await log(bob).getByText('Alice is typing…').waitFor({ state: 'hidden' })
    await bubble(alice, html).getByText('Delivered').waitFor() // ✓✓: nobody is at Bob's chat yet
    t.equal(await page.locator('.log img, .log b').count(), 0, 'text is text')
    await page.getByRole('button', { name: 'Away' }).nth(1).click()
    await bubble(alice, html).getByText('Read').waitFor()
    await write(alice, 'To one who is away')
    await bubble(alice, 'To one who is away').getByText('Sent', { exact: true }).waitFor() // ✓
    await page.getByRole('button', { name: 'Away' }).nth(1).click()
    await bubble(alice, 'To one who is away').getByText('Read').waitFor()
    await write(bob, 'See https://example.org/a?b=1, and 👍')
    await log(alice).getByRole('link', { name: 'https://example.org/a?b=1', exact: true }).waitFor()
    await alice.locator('.conversation-title').getByText('online').waitFor()

    await alice.getByRole('button', { name: 'On the wire' }).click()
    await write(bob, 'Over the wire')
    const event = alice.getByRole('complementary', { name: 'On the wire' }).locator('.is-message').filter({ hasText: 'Over the wire' })
    await event.getByText(/^id \S+$/).waitFor()
    t.match(await event.locator('.entry-data').textContent(), /"text":"Over the wire"/)
    t.strictSame(await findings(page), [], 'axe finds nothing')

    const wire = alice.getByRole('complementary', { name: 'On the wire' })
    await write(alice, 'A call')
    const sent = wire.locator('.is-call').filter({ hasText: '"text":"A call"' })
    await sent.locator('summary').click()
    t.match(await sent.locator('.entry-answer').textContent(), /^201\s[^]*"status": "sent"/)
    await sent.getByRole('button', { name: 'Copy as curl' }).click()
    await sent.getByText('Copied').waitFor()
    t.match(await clipboard(), new RegExp(`^curl -X POST '${server.baseUrl}/api/chat/messages' [^]*-H 'Authorization: Bearer [^']+' [^]*-d '\\{.*"text":"A call"`))
    await wire.getByRole('button', { name: 'Cut the line' }).click()
    await alice.locator('.banner').waitFor()
    await write(bob, 'While it was cut')
    await bubble(bob, 'While it was cut').getByText('Sent', { exact: true }).waitFor()
    await wire.getByRole('button', { name: 'Mend the line' }).click()
    await bubble(alice, 'While it was cut').waitFor()
    await wire.locator('.is-message').filter({ hasText: 'While it was cut' }).getByText('replayed').waitFor()
    await wire.locator('.is-call').filter({ hasText: /Last-Event-ID: \S+/ }).first().waitFor()
    await write(bob, 'And after')
    await wire.locator('.is-message').filter({ hasText: 'And after' }).waitFor()
    t.equal(await wire.locator('.is-message').filter({ hasText: 'And after' }).getByText('replayed').count(), 0)

    await page.getByRole('button', { name: 'Use this in your app' }).click()
    const dialog = page.getByRole('dialog', { name: 'Use this in your app' })
    for (const kind of ['Plugin', 'Client', 'Widget']) {
      await dialog.getByText(kind, { exact: true }).click()
      await dialog.getByRole('button', { name: 'Copy' }).click()
      await dialog.getByText('Copied').waitFor()
      t.match(await clipboard(), kind === 'Plugin' ? 'app.register(chat' : server.baseUrl, kind)
      t.match(await clipboard(), /alice-\w+/, 'and this user')
    }
    t.strictSame(await findings(page), [], 'axe finds nothing')
    await page.keyboard.press('Escape')

    await page.reload()
    await bubble(alice, 'Over the wire').waitFor()
    await bubble(bob, 'Over the wire').waitFor()
    const who = page.locator('.trial-who')
    const before = await who.allTextContents()
    await page.getByRole('button', { name: 'Leave' }).click()
    await page.getByRole('button', { name: 'Try it with two people' }).click()
    await bubble(bob, 'Over the wire').waitFor()
    t.strictSame(await who.allTextContents(), before, 'a second trial goes on with the first one’s accounts')
    t.strictSame(problems, [])
  })

  t.test('by keyboard alone: an account, a conversation, a message, its correction', async (t) => {
    const bob = await arrive('Bob')
    const open = await profile(t, browser, server.baseUrl)
    const { page, problems } = await open()
    const { keyboard } = page
    const focused = async () => await page.evaluate('document.activeElement.labels?.[0]?.textContent ?? document.activeElement.ariaLabel ?? document.activeElement.textContent') as string
    const tabTo = async (name: RegExp) => {
      for (let i = 0; i < 20; i++) {
        await keyboard.press('Tab')
        if (name.test(await focused())) return
      }
      throw new Error(`Tab does not reach ${String(name)}`)
    }
    await page.goto('/')
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
    await tabTo(/^Sign in$/)
    await keyboard.press('ArrowRight')
    await tabTo(/^User id/)
    await keyboard.type('keyboarder')
    await tabTo(/^Password/)
    await keyboard.type(PASSWORD)
    await keyboard.press('Enter')

    await page.getByText('No conversations yet.').waitFor()
    await tabTo(/^New conversation$/)
    await keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await tabTo(/^Name or user id/)
    await keyboard.type('nobody at all')
    await keyboard.press('Enter')
    await page.getByRole('alert').getByText('Nobody here has the id').waitFor()
    problems.splice(0) // The browser reports the 422
    await keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    t.equal(await focused(), 'New conversation', 'the focus is back where it was')
    await keyboard.press('Enter')
    await tabTo(/^Name or user id/)
    await keyboard.type(bob.userId)
    await keyboard.press('Enter')

    await field(page).waitFor()
    await page.waitForFunction('document.activeElement.tagName === "TEXTAREA"')
    await keyboard.type('First line')
    await keyboard.press('Shift+Enter')
    await keyboard.type('second lien')
    await keyboard.press('Enter')
    await bubble(page, 'second lien').getByText('Sent', { exact: true }).waitFor()
    t.strictSame(await textsOf(page), ['First line\nsecond lien'])
    await keyboard.press('ArrowUp')
    await page.getByText('Editing your message').waitFor()
    await keyboard.press('Control+A')
    await keyboard.type('Only one line')
    await keyboard.press('Enter')
    await bubble(page, 'Only one line').getByText('edited').waitFor()

    await keyboard.press('Shift+Tab')
    t.match(await focused(), /^Messages with/)
    await keyboard.press('ArrowUp')
    await keyboard.press('Enter')
    await page.getByRole('menu').waitFor()
    await keyboard.press('End')
    t.equal(await focused(), 'Delete')
    await keyboard.press('Enter')
    await page.getByRole('dialog', { name: 'Delete this message?' }).waitFor()
    t.equal(await focused(), 'Cancel', 'what does no harm has the focus')
    await tabTo(/^Delete$/)
    await keyboard.press('Enter')
    await log(page).getByText('Message deleted').waitFor()
    t.match(await focused(), /^You, /, 'the focus is on what remains of it')
    t.strictSame(await textsOf(page), ['Message deleted'])
    t.strictSame(problems, [])
  })

  t.test('ticks turn as the other one receives and reads; presence and the list follow', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const conversationId = await converse(alice, bob)
    const [openAlice, openBob] = await Promise.all([profile(t, browser, server.baseUrl), profile(t, browser, server.baseUrl, { colorScheme: 'dark', viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true })])
    const [aliceTab, bobTab] = [await openAlice(), await openBob()]
    const a = await enter(aliceTab, alice, conversationId)
    await write(a, 'Are you there?')
    const message = bubble(a, 'Are you there?')
    await message.getByText('Sent', { exact: true }).waitFor()

    // Bob uses a phone, which shows the list first.
    const b = await enter(bobTab, bob)
    const item = b.getByRole('button', { name: /Alice/ })
    await item.getByText('Are you there?').waitFor()
    await item.getByText('1 unread').waitFor()
    await until(b, 'document.title.startsWith("(1)")')
    await message.getByText('Delivered').waitFor()
    await a.locator('.conversation-title').getByText('online').waitFor()
    t.strictSame(await findings(b), [], 'axe finds nothing in the list')
    await typeUntil(a, item.getByText('typing…'))

    await item.click()
    await message.getByText('Read').waitFor()
    await typeUntil(a, log(b).getByText('Alice is typing…'))
    t.strictSame(await findings(b), [], 'axe finds nothing in the conversation')
    await b.getByRole('button', { name: 'All conversations' }).click()
    await item.waitFor()
    t.equal(await item.getByText('unread').count(), 0)
    t.equal(await b.evaluate('document.documentElement.scrollWidth > innerWidth'), false, 'nothing is wider than the phone')

    await b.getByRole('button', { name: 'More' }).click()
    await b.getByRole('menuitemcheckbox', { name: 'Appear offline' }).click()
    await a.getByText('last seen just now').waitFor()
    t.strictSame(await findings(a), [], 'axe finds nothing on the desktop')
    t.strictSame([...aliceTab.problems, ...bobTab.problems], [])
  })

  t.test('a group: making it, roles, removing, leaving', async (t) => {
    const [alice, bob, carol, dave] = await Promise.all(['Alice', 'Bob', 'Carol', 'Dave'].map(arrive)) as [Account, Account, Account, Account]
    const [openAlice, openBob] = await Promise.all([profile(t, browser, server.baseUrl), profile(t, browser, server.baseUrl)])
    const [aliceTab, bobTab] = [await openAlice(), await openBob()]
    const [a, b] = [await enter(aliceTab, alice), await enter(bobTab, bob)]
    await a.getByRole('button', { name: 'New conversation' }).click()
    const making = a.getByRole('dialog')
    await making.getByText('A group').click()
    await making.getByLabel('Name of the group').fill('Rowing')
    await making.getByLabel('People').fill(bob.userId)
    await making.getByLabel('People').press('Enter')
    await making.getByLabel('People').fill(carol.userId)
    t.strictSame(await findings(a), [], 'axe finds nothing in the dialog')
    await making.getByRole('button', { name: 'Make the group' }).click()

    await b.getByRole('button', { name: /Rowing/ }).click()
    await write(a, 'Hello all')
    await bubble(b, 'Hello all').getByText('Alice', { exact: true }).waitFor()

    await a.getByRole('button', { name: 'Who is in this group' }).click()
    const members = a.getByRole('dialog').first()
    const member = (name: string) => members.getByRole('listitem').filter({ hasText: name })
    await member('Bob').getByRole('button').click()
    await a.getByRole('menuitem', { name: 'Make admin' }).click()
    await member('Bob').getByText('admin', { exact: true }).waitFor()
    await member('Carol').getByRole('button').click()
    await a.getByRole('menuitem', { name: 'Remove from the group' }).click()
    await a.getByRole('dialog', { name: 'Remove Carol from the group?' }).getByRole('button', { name: 'Remove', exact: true }).click()
    await member('Carol').waitFor({ state: 'detached' })
    await members.getByLabel('Add people').fill(dave.userId) // No Enter: the button includes the text that is not a chip yet
    await members.getByRole('button', { name: 'Add', exact: true }).click()
    await member('Dave').waitFor()
    t.strictSame(await findings(a), [], 'axe finds nothing in the dialog')
    await members.getByRole('button', { name: 'Close' }).click()

    const notes = (page: Page) => log(page).locator('.note').allTextContents()
    await b.getByText('Dave joined').waitFor()
    t.strictSame(await notes(b), ['You are an admin now', 'Carol is no longer in the group', 'Dave joined'])
    await write(b, 'Welcome')
    await bubble(a, 'Welcome').waitFor()

    await b.getByRole('button', { name: 'Who is in this group' }).click()
    await b.getByRole('button', { name: 'Leave group…' }).click()
    await b.getByRole('button', { name: 'Leave', exact: true }).click()
    await b.getByText('No conversations yet.').waitFor()
    await a.getByText('2 people').waitFor()
    t.strictSame(await log(a).locator('.text, .note').allTextContents(),
      ['Hello all', 'Bob is an admin now', 'Carol is no longer in the group', 'Dave joined', 'Welcome', 'Bob left'], 'each where it happened')
    await a.reload()
    await bubble(a, 'Welcome').waitFor()
    await log(a).getByText('Bob left').waitFor()
    t.equal(await log(a).locator('.note').count(), 4, 'and after a reload')
    t.strictSame([...aliceTab.problems, ...bobTab.problems], [])
  })

  t.test('long words, right-to-left, markup: nothing leaves its place', async (t) => {
    const names = ['Alice', 'W'.repeat(100), 'محمد عبد الله', '<img src=x onerror=alert(1)>']
    const [alice, ...others] = await Promise.all(names.map(async (name) => {
      const account = { userId: `odd-${++count}`, displayName: name, token: '' }
      account.token = token({ sub: account.userId, name })
      await call(account, 'GET', '/api/chat/me')
      return account
    })) as [Account, ...Account[]]
    const { id } = await call<{ id: string }>(alice, 'POST', '/api/chat/conversations', {
      type: 'group', title: `<b>${'Loooong'.repeat(20)}</b>`, participantIds: others.map(({ userId }) => userId)
    })
    for (const one of others) await send(one, id, `${one.displayName} ${'x'.repeat(600)}`)
    await send(others[1]!, id, 'مرحبا بك <script>alert(1)</script>')

    for (const viewport of [{ width: 1100, height: 700 }, { width: 340, height: 640 }]) {
      const tab = await (await profile(t, browser, server.baseUrl, { viewport }))()
      const page = await enter(tab, alice, id)
      await bubble(page, 'مرحبا').waitFor()
      // A part that is cut off is out of reach, although the document does not become wider.
      t.strictSame(await page.evaluate(`[...document.querySelectorAll('.message .bubble, .composer, .conversation-head button')]
        .filter((element) => element.getBoundingClientRect().right > innerWidth).map(({ className }) => className)`), [], 'all is in view')
      await page.getByRole('button', { name: 'Who is in this group' }).click()
      await page.getByRole('dialog').getByText('<img src=x').waitFor()
      t.equal(await page.evaluate('document.querySelector("dialog").scrollWidth > document.querySelector("dialog").clientWidth'), false)
      await page.getByRole('button', { name: 'Close' }).click()
      await page.keyboard.press('Control+K')
      await page.getByRole('combobox').waitFor()
      t.equal(await page.evaluate('document.querySelector("dialog[open]").scrollWidth > document.querySelector("dialog[open]").clientWidth'), false, 'nor the palette')
      await page.keyboard.press('Escape')
      if (viewport.width < 500) await page.getByRole('button', { name: 'All conversations' }).click()
      t.strictSame(await page.evaluate(`[document.querySelector('.item-preview [dir=auto]')]
        .map((text) => [getComputedStyle(text).direction, text.clientWidth > 0])`), [['rtl', true]], 'a cut text keeps its beginning') // An inline box has no width
      t.equal(await page.evaluate('document.documentElement.scrollWidth > innerWidth'), false)
      t.strictSame(tab.problems, [])
    }
  })

  t.test('older messages come in above while the place stays; a message that is refused can be sent again', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const conversationId = await converse(alice, bob)
    await sendAll(bob, conversationId, numbered(130))
    await call(alice, 'PUT', `/api/chat/conversations/${conversationId}/read`, { seq: 130 })
    const open = await profile(t, browser, server.baseUrl)
    const tab = await open()
    const page = await enter(tab, alice, conversationId)
    await bubble(page, 'Message 130.').waitFor()
    t.equal((await textsOf(page)).length, 50)

    let answer = () => {}
    const held = new Promise<void>((resolve) => { answer = resolve })
    await page.route('**/messages?*', async (route) => {
      await held
      await route.continue()
    })
    await page.evaluate('document.querySelector(".log").scrollTop = 300')
    await drawn(page) // What has come near the screen has its height
    const mark = bubble(page, 'Message 90.')
    const before = (await mark.boundingBox())!.y
    answer()
    await bubble(page, 'Message 31.').waitFor({ state: 'attached' })
    await drawn(page)
    t.ok(Math.abs((await mark.boundingBox())!.y - before) <= 1, 'what one looks at has not moved')
    await page.evaluate('document.querySelector(".log").scrollTop = 0')
    await bubble(page, 'Message 1.').waitFor({ state: 'attached' })
    t.strictSame(await textsOf(page), Array.from({ length: 130 }, (_, i) => `Message ${i + 1}.`))

    await send(bob, conversationId, 'Something new')
    await page.getByRole('button', { name: /^To the newest message/ }).getByText('1').waitFor()
    await page.getByRole('button', { name: /^To the newest message/ }).click()
    await page.getByRole('button', { name: /^To the newest message/ }).waitFor({ state: 'hidden' })

    await page.route('**/api/chat/messages', async (route) => { await route.fulfill({ status: 403, json: { statusCode: 403, code: 'FORBIDDEN', error: 'Forbidden', message: 'No' } }) })
    await write(page, 'Refused at first')
    await bubble(page, 'Refused at first').getByRole('alert').getByText('Not sent.').waitFor()
    t.strictSame(await findings(page), [], 'axe finds nothing')
    await page.unroute('**/api/chat/messages')
    await bubble(page, 'Refused at first').getByRole('button', { name: 'Try again' }).click()
    await bubble(page, 'Refused at first').getByText('Sent', { exact: true }).waitFor()
    t.strictSame(tab.problems.filter((problem) => !problem.includes('403')), [])
  })

  t.test('the server is killed while both write: nothing is lost, nothing double', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const conversationId = await converse(alice, bob)
    const [openAlice, openBob] = await Promise.all([profile(t, browser, server.baseUrl), profile(t, browser, server.baseUrl)])
    const tabs = [await openAlice(), await openBob()]
    const [a, b] = await Promise.all([enter(tabs[0]!, alice, conversationId), enter(tabs[1]!, bob, conversationId)])
    const written: string[] = []
    await Promise.all([a, b].map(async (page) => { await page.locator('.conversation-title').getByText('online', { exact: true }).waitFor() }))
    let restarted: Promise<void> | undefined
    for (let i = 1; i <= 12; i++) {
      if (i === 4) await server.kill()
      if (i === 9) restarted = server.start()
      await Promise.all([write(a, `Alice ${i}.`), write(b, `Bob ${i}.`)]) // The full stop separates the text from the time that follows it
      written.push(`Alice ${i}.`, `Bob ${i}.`)
      if (i === 8) {
        await Promise.all([a, b].map(async (page) => { await page.locator('.banner').getByText('What you write is sent when it is back.').waitFor() }))
        t.equal(await a.locator('.conversation-title').getByText('presence unknown').count(), 1, 'nobody is known to be online')
        t.equal(await a.locator('.online-dot').count(), 0)
      }
    }
    await restarted
    for (const page of [a, b]) await page.evaluate('dispatchEvent(new Event("online"))') // Reconnects without waiting
    for (const page of [a, b]) {
      await page.locator('.banner').waitFor({ state: 'detached', timeout: 20_000 })
      for (const text of ['Alice 12.', 'Bob 12.']) await bubble(page, text).waitFor()
      await page.locator('.is-pending').first().waitFor({ state: 'detached', timeout: 20_000 })
    }
    const { messages } = await call<{ messages: { text: string }[] }>(alice, 'GET', `/api/chat/conversations/${conversationId}/messages`)
    const stored = messages.map(({ text }) => text)
    t.strictSame([...stored].sort(), [...written].sort(), 'each is stored once')
    t.strictSame(stored.filter((text) => text.startsWith('Alice')), written.filter((text) => text.startsWith('Alice')), 'in the order they were written')
    for (const page of [a, b]) {
      await page.waitForFunction(`document.querySelectorAll('.message').length === ${stored.length}`)
      t.strictSame(await textsOf(page), stored, 'and so it stands on the screen')
    }
    await Promise.all([a, b].map(async (page) => { await bubble(page, page === a ? 'Alice 12.' : 'Bob 12.').getByText('Read').waitFor() }))
    t.strictSame(tabs.flatMap(({ problems }) => problems).filter((problem) => !CONNECTION_LOST.test(problem)), [])
  })

  t.test('a sign-in that expires takes nothing that was written', async (t) => {
    const alice = await arrive('Alice')
    const tab = await (await profile(t, browser, server.baseUrl))()
    const { page } = tab
    const bob = await call<{ user: { userId: string, displayName: string } }>(alice, 'POST', '/api/auth/register', { userId: 'expiring', displayName: 'Bob', password: PASSWORD })
    const { id } = await call<{ id: string }>(alice, 'POST', '/api/chat/conversations', { type: 'direct', userId: 'expiring' })
    await enter(tab, { ...bob.user, token: token({ sub: 'expiring', name: 'Bob', exp: Math.floor(Date.now() / 1000) + 4 }) }, id)
    await page.route('**/api/chat/messages', async (route) => { await route.abort() })
    await write(page, 'Not sent yet')
    await field(page).fill('half a')
    await page.getByRole('alert').getByText('your sign-in has expired').waitFor()
    await page.unroute('**/api/chat/messages')
    await page.getByLabel('User id').fill('expiring')
    await page.getByLabel('Password').fill(PASSWORD)
    await page.locator('form').getByRole('button', { name: 'Sign in' }).click()
    await field(page).waitFor()
    t.equal(await field(page).inputValue(), 'Not sent yet\nhalf a')
    await page.getByRole('button', { name: 'More' }).click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await page.getByLabel('User id').fill('expiring')
    await page.getByLabel('Password').fill(PASSWORD)
    await page.locator('form').getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('button', { name: /Alice/ }).click()
    t.equal(await field(page).inputValue(), '', 'who signs out leaves nothing')
    t.strictSame(tab.problems.filter((problem) => !/401|net::ERR_FAILED/.test(problem)), [])
  })

  t.test('where the browser lets a page store nothing', async (t) => {
    const alice = await arrive('Alice')
    const tab = await (await profile(t, browser, server.baseUrl))()
    const { page } = tab
    await page.addInitScript(`
      const denied = () => new DOMException('Access is denied for this document.', 'SecurityError')
      for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, { get () { throw denied() } })
      LockManager.prototype.request = () => Promise.reject(denied())
    `)
    await page.goto('/')
    await page.locator('label').filter({ hasText: 'Create account' }).click()
    await page.getByLabel('User id').fill('storeless')
    await page.getByLabel('Password').fill(PASSWORD)
    await page.locator('form').getByRole('button', { name: 'Create account' }).click()
    await page.getByText('No conversations yet.').waitFor()
    const { id } = await call<{ id: string }>(alice, 'POST', '/api/chat/conversations', { type: 'direct', userId: 'storeless' })
    await page.getByRole('button', { name: /Alice/ }).click()
    await field(page).waitFor()
    await send(alice, id, 'Can you hear me?')
    await bubble(page, 'Can you hear me?').waitFor()
    t.strictSame(tab.problems, [])

    // Without room in storage, an earlier sign-in must not take the place of the new one.
    const full = await (await profile(t, browser, server.baseUrl))()
    await full.page.addInitScript(`
      const kept = (people) => ['fastify-sse-chat /', JSON.stringify({ people })]
      localStorage.setItem(...kept([{ userId: 'storeless', displayName: 'storeless', token: 'stale' }]))
      sessionStorage.setItem(...kept([]))
      Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }
    `)
    await full.page.goto('/')
    await full.page.getByLabel('User id').fill('storeless')
    await full.page.getByLabel('Password').fill(PASSWORD)
    await full.page.locator('form').getByRole('button', { name: 'Sign in' }).click()
    await full.page.getByRole('button', { name: /Alice/ }).getByText('Can you hear me?').waitFor()
    t.strictSame(full.problems, [])
  })

  t.test('seven tabs of one person all hear everything', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const conversationId = await converse(alice, bob)
    const open = await profile(t, browser, server.baseUrl)
    const tabs: Tab[] = []
    for (let i = 0; i < 7; i++) tabs.push(await open())
    const pages = await Promise.all(tabs.map(async (tab) => await enter(tab, alice, conversationId)))
    await send(bob, conversationId, 'To all seven')
    await Promise.all(pages.map(async (page) => { await bubble(page, 'To all seven').waitFor() }))
    await write(pages[6]!, 'From the seventh')
    await Promise.all(pages.map(async (page) => { await bubble(page, 'From the seventh').waitFor() }))
    // Whichever tab holds the stream, another one takes over.
    await Promise.all(pages.slice(0, 6).map(async (page) => { await page.close() }))
    await send(bob, conversationId, 'To the last one')
    await bubble(pages[6]!, 'To the last one').waitFor()
    t.strictSame(tabs.flatMap(({ problems }) => problems), [])
  })

  t.test('inside another app: below a prefix, with its own way to say who calls', async (t) => {
    const app = await buildListening(t, {
      chat: {
        prefix: '/team/chat',
        page: true,
        authenticate: ({ headers: { cookie } }) => cookie?.includes('user=') === true ? { userId: cookie.replace(/^.*user=/, ''), displayName: 'Guest' } : null
      }
    })
    const { page, problems } = await (await profile(t, browser, baseUrl(app)))()
    await page.goto('/team/chat')
    await page.getByText('You have to be signed in at this site').waitFor()
    problems.splice(0) // The browser reports the 401
    await page.context().addCookies([{ name: 'user', value: 'guest', url: baseUrl(app) }])
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByText('No conversations yet.').waitFor()
    await page.getByRole('button', { name: 'On the wire' }).click()
    await page.locator('.entry.is-connected').waitFor()
    t.equal(page.url(), `${baseUrl(app)}/team/chat/`)
    t.strictSame(problems, [])
  })

  t.test('where others issue the tokens, one enters with a token', async (t) => {
    const app = await buildListening(t, { chat: { page: true } })
    const { page, problems } = await (await profile(t, browser, baseUrl(app)))()
    await page.goto('/')
    await page.getByLabel('Token').fill('not a token')
    await page.getByRole('button', { name: 'Enter' }).click()
    await page.getByRole('alert').getByText('This token isn’t valid here.').waitFor()
    problems.splice(0) // The browser reports the 401
    t.strictSame(await findings(page), [], 'axe finds nothing')
    await page.getByLabel('Token').fill(token({ sub: 'tess', name: 'Tess', exp: Math.floor(Date.now() / 1000) + 3600 }))
    await page.getByRole('button', { name: 'Enter' }).click()
    await page.getByText('No conversations yet.').waitFor()
    t.equal(await page.evaluate('location.href + document.cookie'), `${baseUrl(app)}/`, 'the token is in no address')
    await page.getByRole('button', { name: 'More' }).click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await page.getByLabel('Token').waitFor()
    t.equal(await page.evaluate('localStorage.length'), 0)
    t.strictSame(problems, [])
  })
})
