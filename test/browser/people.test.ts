import type { Browser } from 'playwright-core'
import t from 'tap'
import { buildPage } from '../../scripts/page.js'
import { serverProcess } from '../client/server-process.js'
import { findings, launch, noBrowser, profile } from './browser.js'
import { bubble, createCast, field, log, write } from './cast.js'

// Finding people, and keeping them away.

let browser: Browser
let server: Awaited<ReturnType<typeof serverProcess>>
const { arrive, arriveAs, call, converse, enter, group, send } = createCast(() => server.baseUrl)

t.setTimeout(500_000)

t.test('people', { skip: noBrowser, timeout: 110_000 }, async (t) => {
  await buildPage(new URL('../../dist/web', import.meta.url).pathname)
  ;[browser, server] = await Promise.all([launch(t), serverProcess(t, { PAGE: 'on', DIRECTORY: 'all' })])
  const open = async (options = {}) => await (await profile(t, browser, server.baseUrl, options))()

  t.test('they are found by name, by keyboard alone, and an unknown id is answered plainly', async (t) => {
    const alice = await arrive('Alice')
    await Promise.all([arriveAs('zo-1', 'Zoë Café'), arriveAs('zo-2', 'Zora'), arriveAs('x, y', 'Ida'), arriveAs('zo', 'Hidden behind an id')])
    const tab = await open()
    const page = await enter(tab, alice)
    const { keyboard } = page
    const offers = page.getByRole('listbox', { name: 'People' }).getByRole('option')
    const texts = async () => (await offers.allTextContents()).map((text) => text.replace(/^[A-Z]+(?=[A-Z][a-z])/, ''))
    await page.getByRole('button', { name: 'New conversation' }).click()
    const who = page.getByRole('combobox', { name: 'Name or user id' })
    await who.waitFor()
    t.equal(await page.evaluate('document.activeElement.role ?? document.activeElement.getAttribute("role")'), 'combobox', 'the field has the focus')
    await keyboard.type('cafe')
    await offers.filter({ hasText: 'Zoë Café' }).waitFor()
    t.match(await texts(), [/Zoë Café zo-1/, /The user id “cafe”/])
    t.equal(await who.getAttribute('aria-activedescendant'), await offers.first().getAttribute('id'), 'the first is chosen')
    t.strictSame(await findings(page), [])
    await keyboard.press('ArrowDown')
    t.equal(await offers.nth(1).getAttribute('aria-selected'), 'true')
    await keyboard.press('Escape')
    await offers.first().waitFor({ state: 'detached' })
    t.equal(await page.getByRole('dialog').count(), 1, 'Escape closes the offers first')
    await who.fill('zo')
    await offers.filter({ hasText: 'Zora' }).waitFor()
    t.match((await texts())[0], /Hidden behind an id/, 'who has this id is the first')
    await who.fill('zor')
    await offers.filter({ hasText: 'The user id “zor”' }).waitFor()
    await keyboard.press('Enter')
    await page.locator('.chip[title="zo-2"]').getByText('Zora').waitFor()
    await keyboard.press('Backspace')
    await page.locator('.chip').waitFor({ state: 'detached' })

    await who.fill('nobody at all')
    await keyboard.press('Enter')
    await page.getByRole('alert').getByText('Nobody here has the id “nobody at all”.').waitFor()
    await who.fill('Caf')
    await offers.filter({ hasText: 'Zoë Café' }).click()
    await keyboard.press('Enter')
    await page.locator('.conversation-title').getByText('Zoë Café').waitFor()

    await page.getByRole('button', { name: 'New conversation' }).click()
    await page.getByText('A group', { exact: true }).click()
    const people = page.getByRole('combobox', { name: 'People' })
    await people.fill('Zo')
    await offers.filter({ hasText: 'Zora' }).click()
    await people.fill('zo')
    await offers.filter({ hasText: 'Zoë Café' }).waitFor()
    t.notOk((await texts()).some((text) => text.includes('Zora')), 'nobody is offered twice')
    await offers.filter({ hasText: 'Zoë Café' }).click()
    await people.fill('x, y')
    await offers.filter({ hasText: 'Ida' }).waitFor()
    await keyboard.press('Enter')
    t.strictSame(await page.locator('.chip bdi').allTextContents(), ['Zora', 'Zoë Café', 'Ida'])
    await people.fill('nobody')
    await page.getByRole('button', { name: 'Make the group' }).click()
    await page.getByRole('alert').getByText('One of these people isn’t here.').waitFor()
    await people.fill('')
    await page.getByRole('button', { name: 'Make the group' }).click()
    await field(page).waitFor()
    t.strictSame(tab.problems.filter((problem) => !problem.includes('422')), [])
  })

  t.test('one is blocked from the conversation or the profile, and unblocked from the list of all', async (t) => {
    const [alice, bob, carol] = await Promise.all([arrive('Alice'), arrive('Bob'), arrive('Carol')])
    const id = await converse(alice, bob)
    const both = await group(alice, 'Rowing', bob, carol)
    await send(bob, id, 'Hello')
    const [tab, other] = [await open(), await open()]
    const [a, b] = [await enter(tab, alice, id), await enter(other, bob, id)]
    await a.getByRole('button', { name: 'What to do with this conversation' }).click()
    await a.getByRole('menuitem', { name: 'Block…' }).click()
    const question = a.getByRole('dialog', { name: 'Block Bob?' })
    t.strictSame(await findings(a), [])
    await question.getByRole('button', { name: 'Block', exact: true }).click()
    await a.locator('.composer-closed').getByText('You have blocked this person.').waitFor()
    t.equal(await field(a).count(), 0)
    await write(b, 'Still there?')
    await bubble(b, 'Still there?').getByText('one of you has blocked the other').waitFor()
    t.strictSame(await findings(a), [])

    const { seq } = await send(bob, both, 'To the group')
    await send(carol, both, 'From Carol')
    await a.locator('.item').filter({ hasText: 'Rowing' }).click()
    const folded = log(a).locator(`.message[data-seq="${seq}"]`)
    await folded.getByText('From somebody you blocked').waitFor()
    t.equal(await log(a).getByText('To the group').count(), 0, 'their message is folded')
    await folded.getByRole('button', { name: 'Show' }).click()
    await folded.getByText('To the group').waitFor()

    await a.getByRole('button', { name: 'More', exact: true }).click()
    await a.getByRole('menuitem', { name: 'Blocked people' }).click()
    const blocked = a.getByRole('dialog', { name: 'Blocked people' })
    await blocked.getByText(bob.userId).waitFor()
    t.strictSame(await findings(a), [])
    await blocked.getByRole('button', { name: 'Unblock Bob' }).click()
    await blocked.getByText('You have blocked nobody.').waitFor()
    await a.keyboard.press('Escape')
    t.strictSame(await call(alice, 'GET', '/api/chat/blocks'), { users: [] })

    await a.locator('.item').filter({ hasText: 'Bob' }).click()
    await field(a).waitFor()
    await a.getByRole('button', { name: 'Bob', exact: true }).click()
    const card = a.getByRole('dialog', { name: 'Profile' })
    await card.getByRole('button', { name: 'Block…' }).click()
    await question.getByRole('button', { name: 'Block', exact: true }).click()
    await card.getByText('You have blocked this person.').waitFor()
    await card.getByRole('button', { name: 'Unblock' }).click()
    await card.getByRole('button', { name: 'Block…' }).waitFor()
    await a.keyboard.press('Escape')
    await field(a).waitFor()
    t.strictSame(tab.problems, [])
  })
})
