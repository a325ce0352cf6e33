import type { Browser } from 'playwright-core'
import t from 'tap'
import { buildPage } from '../../scripts/page.js'
import { serverProcess } from '../client/server-process.js'
import { connect } from '../event-reader.js'
import { findings, launch, noBrowser, profile } from './browser.js'
import { bubble, createCast, drawn, field } from './cast.js'

// The field above the list: names at once, messages by the service. And messages that grow.

let browser: Browser
let server: Awaited<ReturnType<typeof serverProcess>>
const { arrive, call, converse, enter, group, send } = createCast(() => server.baseUrl)

t.setTimeout(500_000)

t.test('search', { skip: noBrowser, timeout: 110_000 }, async (t) => {
  await buildPage(new URL('../../dist/web', import.meta.url).pathname)
  ;[browser, server] = await Promise.all([launch(t), serverProcess(t, { PAGE: 'on' })])
  const open = async (options = {}) => await (await profile(t, browser, server.baseUrl, options))()

  t.test('names at once, messages of all conversations, marked, opening around the hit', async (t) => {
    const [alice, bob, carol] = await Promise.all([arrive('Alice'), arrive('Bob'), arrive('Émile Carol')])
    const id = await converse(alice, bob)
    const other = await converse(alice, carol)
    const both = await group(alice, 'Rowing', bob, carol, await arrive('Dora'))
    const { seq } = await send(bob, id, 'Long ago we spoke of the Octopus garden in the shade')
    for (let i = 1; i <= 80; i++) await send(bob, id, `Message ${i}.`)
    await send(carol, both, 'An octopus, too')
    await send(carol, other, '海に八本足の蛸がいる')
    // The index follows the log.
    for (let found = 0; found < 2;) found = (await call<{ results: unknown[] }>(alice, 'GET', '/api/chat/search?q=octopus')).results.length
    const tab = await open({ reducedMotion: 'reduce' })
    const page = await enter(tab, alice)
    const { keyboard } = page
    const search = page.getByRole('searchbox', { name: 'Search names and messages' })
    const hits = page.getByRole('region', { name: 'Messages', exact: true }).getByRole('button')
    const isShown = async (why: string) => {
      await page.locator(`.message[data-seq="${seq}"]:focus`).waitFor()
      await drawn(page)
      const { y, height } = (await page.locator(`.message[data-seq="${seq}"]`).boundingBox())!
      t.ok(y > 0 && y + height < 700, `${why}: it is on screen`)
      t.equal(await page.locator(`.message[data-seq="${seq}"]:focus`).count(), 1, `${why}: and has the focus`)
    }
    await page.locator('.item').nth(2).waitFor()
    let answer = () => {}
    const held = new Promise<void>((resolve) => { answer = resolve })
    await page.route('**/api/chat/search?*', async (route) => {
      await held
      await route.continue().catch(() => {}) // The page may have given it up
    })
    await search.fill('emi')
    await page.locator('.item').nth(1).waitFor({ state: 'detached' })
    t.match(await page.locator('.item').allTextContents(), [/Émile Carol/], 'names need no answer')
    await search.fill('octop')
    answer()
    await hits.nth(1).waitFor()
    t.match(await hits.allTextContents(), [/Rowing.*An octopus, too/, /Bob.*we spoke of the Octopus/], 'newest first')
    t.strictSame(await hits.locator('mark').allTextContents(), ['octop', 'Octop'])
    t.strictSame(await findings(page), [])

    await search.press('ArrowDown')
    await keyboard.press('ArrowDown')
    t.match(await page.evaluate('document.activeElement.textContent'), /we spoke/)
    await keyboard.press('Enter')
    await field(page).waitFor()
    await isShown('at first')
    t.equal(await bubble(page, 'Message 80.').count(), 0, 'around it, not from the end')

    await search.fill('蛸')
    await hits.filter({ hasText: '八本足' }).click()
    await page.locator('.message:focus').getByText('海に八本足の蛸がいる').waitFor()
    await search.fill('octopus garden')
    await hits.filter({ hasText: 'we spoke' }).click()
    await isShown('back in a conversation')
    await hits.filter({ hasText: 'we spoke' }).click()
    await isShown('in the conversation that is open')
    await page.getByRole('button', { name: 'To the newest message' }).click()
    await bubble(page, 'Message 80.').waitFor()
    await page.locator('.to-end').waitFor({ state: 'detached' })
    await hits.filter({ hasText: 'we spoke' }).click()
    await isShown('after the newest')

    // Archived conversations, and people without one
    await call(alice, 'PATCH', `/api/chat/conversations/${other}/me`, { archived: true })
    await call(alice, 'PATCH', `/api/chat/conversations/${id}/me`, { archived: true })
    await search.fill('emi')
    await page.locator('.item').filter({ hasText: 'Émile Carol' }).first().waitFor()
    await page.locator('.item:not(.found-message)').filter({ hasText: '海に八本足' }).waitFor()
    await search.fill('dor')
    const person = page.getByRole('region', { name: 'People' }).getByRole('button', { name: /Dora/ })
    await person.waitFor()
    t.strictSame(await findings(page), [])
    await person.click()
    await page.locator('.conversation-title').getByText('Dora').waitFor()

    await search.fill('zzzz')
    await page.getByRole('status').getByText('Nothing found.').waitFor()
    await search.fill('!?')
    await page.getByRole('status').getByText('Nothing found.').waitFor()
    await search.press('Escape')
    t.equal(await search.inputValue(), '')
    await page.locator('.item').filter({ hasText: 'Rowing' }).waitFor()
    t.strictSame(tab.problems.filter((problem) => !problem.includes('400')), [])
  })

  t.test('a message that grows has a caret, and a button that asks its sender to stop', async (t) => {
    const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
    const id = await converse(alice, bob)
    const stream = await connect(`${server.baseUrl}/api/sse`, { authorization: `Bearer ${bob.token}` })
    t.teardown(async () => { await stream.close() })
    const tab = await open()
    const page = await enter(tab, alice, id)
    const { id: messageId } = await send(bob, id, 'Once', { growing: true })
    const path = `/api/chat/messages/${messageId}`
    const caret = page.getByRole('img', { name: 'still being written' })
    await bubble(page, 'Once').filter({ has: caret }).waitFor()
    await call(bob, 'POST', `${path}/append`, { offset: 4, text: ' upon a time' })
    await bubble(page, 'Once upon a time').filter({ has: caret }).waitFor()
    t.strictSame(await findings(page), [])
    await page.getByRole('button', { name: 'Stop' }).click()
    t.match(await stream.next('messageStop'), { data: { messageId, userId: alice.userId } })
    await call(bob, 'POST', `${path}/finish`, { text: 'Once upon a time.' })
    await caret.waitFor({ state: 'detached' })
    await bubble(page, 'Once upon a time.').waitFor()
    t.equal(await page.getByRole('button', { name: 'Stop' }).count(), 0)
    t.strictSame(tab.problems, [])
  })
})
