import type { Page } from 'playwright-core'
import t from 'tap'
import { picture } from '../files/pictures.js'
import { serverProcess } from '../client/server-process.js'
import { built, findings, launch, noBrowser, profile } from './browser.js'
import { bubble, createCast, drawn, field, log, write } from './cast.js'

// Every view of the page, light and dark: axe finds nothing, and nothing is wider than the window.

t.setTimeout(500_000)

t.test('every view', { skip: noBrowser, timeout: 280_000 }, async (t) => {
  await built()
  const [browser, server] = await Promise.all([launch(t), serverProcess(t, { PAGE: 'on', FILES_DIR: t.testdir(), FILE_TYPES: 'image/*,text/*' })])
  const { call, arrive, group, send, enter } = createCast(() => server.baseUrl)

  /** Looks for problems in one scheme of colours, and for those of colours in the other one, too. What is behind a dialog was looked at before. */
  async function problemsOf (page: Page, colorScheme: 'light' | 'dark'): Promise<string[]> {
    const over = 'dialog[open], .popup'
    const within = await page.locator(over).count() > 0 ? over : undefined
    const found = await findings(page, within)
    await page.emulateMedia({ colorScheme: colorScheme === 'light' ? 'dark' : 'light' })
    await drawn(page)
    found.push(...await findings(page, within, ['color-contrast']))
    await page.emulateMedia({ colorScheme })
    await drawn(page)
    return found
  }

  for (const [colorScheme, width, height] of [['light', 1024, 768], ['dark', 390, 780]] as const) {
    t.test(`${colorScheme}, ${width} × ${height}`, async (t) => {
      const open = await profile(t, browser, server.baseUrl, { colorScheme, viewport: { width, height } })
      const { page, problems } = await open()
      const look = async (view: string) => {
        t.strictSame(await problemsOf(page, colorScheme), [], view)
        t.equal(await page.evaluate('document.documentElement.scrollWidth > innerWidth'), false, `${view}: nothing is wider than the window`)
      }
      await page.goto('/')
      const first = page.locator('form').getByRole('button', { name: colorScheme === 'light' ? 'Create account' : 'Sign in' })
      t.equal(await first.count(), 1, 'on an empty server, an account is made first')
      await page.locator('label').filter({ hasText: 'Sign in' }).click()
      await look('sign-in')
      await page.locator('label').filter({ hasText: 'Create account' }).click()
      await look('a new account')
      await page.getByRole('button', { name: 'Try it with two people' }).click()
      const pane = page.getByRole('region', { name: 'Alice’s chat' })
      await write(pane, 'Hello')
      await bubble(pane, 'Hello').getByText(/^(Sent|Delivered|Read)$/).waitFor()
      await look('the trial')
      await page.close()

      const nobody = await open()
      const empty = await enter(nobody, await arrive('Nobody'))
      await empty.getByText('No conversations yet.').waitFor()
      t.strictSame(await problemsOf(empty, colorScheme), [], 'an empty list')
      await empty.close()
      t.strictSame([...problems, ...nobody.problems], [])
    })

    t.test(`${colorScheme}, ${width} × ${height}: a conversation and what opens over it`, async (t) => {
      const [alice, bob, carol] = await Promise.all([arrive('Alice'), arrive('Bob Builder'), arrive('محمد')])
      const id = await group(alice, 'Builders', bob, carol)
      const { id: first } = await send(bob, id, 'Hello *all*, see https://example.org/ and `code`')
      await send(carol, id, 'مرحبا بالعالم')
      await send(alice, id, 'An answer', { replyToId: first })
      await call(bob, 'PUT', `/api/chat/messages/${first}/reactions/${encodeURIComponent('👍')}`)
      const tab = await (await profile(t, browser, server.baseUrl, { colorScheme, viewport: { width, height } }))()
      const page = await enter(tab, alice, id)
      const look = async (view: string) => {
        t.strictSame(await problemsOf(page, colorScheme), [], view)
        t.strictSame(await page.evaluate('[document.documentElement, ...document.querySelectorAll(".log, .dialog, .wire-head")].filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).map(({ className }) => className)'), [], `${view}: nothing is wider than its place`)
      }
      const dialog = page.getByRole('dialog')
      const close = async () => {
        await page.keyboard.press('Escape')
        await dialog.waitFor({ state: 'detached' })
      }
      const choose = async (name: string) => {
        await bubble(page, 'An answer').click({ button: 'right' })
        await page.getByRole('menuitem', { name }).click()
      }
      await bubble(page, 'An answer').waitFor()
      await page.locator('input[type=file]').setInputFiles({ name: 'Sea.png', mimeType: 'image/png', buffer: await picture('png', { width: 900, height: 600, noise: true }) })
      await write(page, 'A picture')
      await bubble(page, 'A picture').locator('img').waitFor()
      t.ok(await page.evaluate('document.querySelector(".asking").getBoundingClientRect().bottom < document.querySelector(".message:last-of-type .bubble .meta").getBoundingClientRect().top'), 'the question leaves what was sent in view')
      await page.getByRole('group', { name: 'Be told of new messages' }).getByRole('button', { name: 'Not now' }).click()
      await look('a conversation')
      await page.locator('.reaction').hover()
      await page.getByRole('tooltip').getByText('Bob').waitFor()
      await look('who reacted')
      await bubble(page, 'A picture').getByRole('button', { name: 'Show Sea.png' }).click()
      await dialog.getByRole('img').waitFor()
      await look('the lightbox')
      await close()
      await bubble(page, 'An answer').click({ button: 'right' })
      await page.getByRole('menu').waitFor()
      await look('the menu of a message')
      await page.keyboard.press('Escape')
      await choose('More emoji')
      await page.locator('.picker-grid button').first().waitFor()
      await look('the emoji')
      await page.keyboard.press('Escape')
      await choose('Info')
      await dialog.getByRole('region').first().waitFor()
      await look('the info of a message')
      await close()
      await choose('Delete')
      await dialog.waitFor()
      await look('the question before deleting')
      await close()
      await choose('Reply')
      await field(page).fill('@bo')
      await look('a reply')
      await field(page).fill('')
      await page.getByRole('button', { name: 'Who is in this group' }).click()
      await dialog.locator('.member').nth(2).waitFor()
      await look('the members of a group')
      await page.getByRole('button', { name: 'Group settings' }).click()
      await page.getByRole('dialog', { name: 'Group settings' }).waitFor()
      await look('the settings of a group')
      await page.keyboard.press('Escape')
      await close()
      await field(page).blur()
      await page.keyboard.press('?')
      await dialog.waitFor()
      await look('the keys')
      await close()
      for (const [command, name] of [['new conv', 'New conversation'], ['your prof', 'Your profile'], ['use this', 'Use this in your app']] as const) {
        await page.keyboard.press('Control+k')
        await page.getByRole('combobox').first().fill(command)
        if (command === 'new conv') await look('the palette')
        await page.keyboard.press('Enter')
        await page.getByRole('dialog', { name }).waitFor()
        await look(name)
        t.strictSame(await page.evaluate('[...document.querySelectorAll("dialog .button")].filter((button) => button.offsetHeight > 48).map(({ textContent }) => textContent)'), [], `${name}: no button is broken into letters`)
        await close()
      }
      await page.getByRole('button', { name: 'On the wire' }).first().click()
      await page.locator('.entry').first().waitFor()
      await page.locator('.entry summary').last().click()
      await look('the wire')
      const line = (await page.locator('.wire-head h2').boundingBox())!
      const shut = (await page.getByRole('button', { name: 'Close the wire' }).boundingBox())!
      t.ok(shut.y < line.y + line.height, 'the button that closes it is in the first line')
      t.ok((await log(page).boundingBox())!.height > 100)
      t.strictSame(tab.problems, [])
    })
  }
})
