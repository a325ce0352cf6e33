import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import t from 'tap'
import { serverProcess } from '../client/server-process.js'
import { built, launch, noBrowser, profile } from './browser.js'
import { bubble, createCast, until } from './cast.js'

// The elements' event `error`, and the components of fastify-sse-chat/react around them.

const component = `
  import { createElement, useState, StrictMode } from 'react'
  import { createRoot } from 'react-dom/client'
  import { ChatList, ChatWindow } from './client/react.js'

  window.told = []
  function Page () {
    const [conversation, setConversation] = useState(null)
    const [token, setToken] = useState(window.token)
    const [theme, setTheme] = useState('light')
    Object.assign(window, { setToken, setTheme })
    const common = { token, server: location.origin, conversation, theme, onError: (error) => { told.push('error ' + (error.code ?? error.name)) } }
    return createElement('main', null,
      createElement(ChatList, { ...common, id: 'list', className: 'mine', style: { height: 300 }, onSelect: setConversation, onUnread: (count) => { told.push('unread ' + count) } }),
      conversation !== null && createElement(ChatWindow, { ...common, id: 'window', lang: 'de', onSignedOut: () => { told.push('signed out') } }))
  }
  const root = createRoot(document.getElementById('root'))
  root.render(createElement(StrictMode, null, createElement(Page)))
  window.unmount = () => root.unmount()
`

/** The component as a host would bundle it, except that chat.js comes from the service. */
async function bundle (): Promise<string> {
  const { outputFiles: [file] } = await build({
    stdin: { contents: component, resolveDir: fileURLToPath(new URL('../..', import.meta.url)) },
    bundle: true,
    write: false,
    format: 'esm',
    define: { 'process.env.NODE_ENV': '"production"' },
    logLevel: 'error',
    plugins: [{ name: 'chat.js', setup: ({ onResolve }) => { onResolve({ filter: /\/web\/chat\.js$/ }, () => ({ path: '/chat.js', external: true })) } }]
  })
  return file!.text
}

t.setTimeout(500_000)

t.test('elements on a page of a host', { skip: noBrowser, timeout: 280_000 }, async (t) => {
  await built()
  const [browser, server, script] = await Promise.all([launch(t), serverProcess(t, { PAGE: 'off', WIDGET: 'on', FILES: 'off' }), bundle()])
  const { arrive, converse, send } = createCast(() => server.baseUrl)
  const [alice, bob] = await Promise.all([arrive('Alice'), arrive('Bob')])
  const id = await converse(alice, bob)
  await send(bob, id, 'Hello')

  const open = async (body: string) => {
    const tab = await (await profile(t, browser, server.baseUrl))()
    await tab.page.route('**/host', async (route) => { await route.fulfill({ contentType: 'text/html', body: `<!doctype html><title>Host</title><div id="root"></div>${body}` }) })
    return tab
  }

  t.test('the event `error` says why the chat cannot be opened; the user can try again', async (t) => {
    const { page } = await open('<script type="module" src="/chat.js"></script>')
    await page.route('**/api/chat/me', async (route) => { await route.fulfill({ status: 403, json: { statusCode: 403, code: 'FORBIDDEN', error: 'Forbidden', message: 'No' } }) })
    await page.goto('/host')
    await page.evaluate(`
      window.told = []
      for (const name of ['chat-window', 'chat-list']) {
        const element = document.createElement(name)
        for (const type of ['error', 'signed-out']) element.addEventListener(type, ({ target, detail }) => { told.push(target.localName + ' ' + type + ' ' + detail.error.code) })
        element.token = ${JSON.stringify(alice.token)}
        document.getElementById('root').append(element)
      }`)
    const again = page.locator('chat-window').getByRole('button', { name: 'Try again' })
    await again.waitFor()
    await page.locator('chat-list').getByRole('button', { name: 'Try again' }).waitFor()
    t.strictSame((await page.evaluate('told') as string[]).sort(), ['chat-list error FORBIDDEN', 'chat-window error FORBIDDEN'], 'each tells once')
    await page.unroute('**/api/chat/me')
    await again.click()
    await page.locator('chat-window').getByText('Hello').waitFor()
    t.equal(await page.evaluate('told.length'), 2)
  })

  t.test('React: properties arrive, events call back, and unmounting ends it', async (t) => {
    const { page, problems } = await open(`<script>window.token = ${JSON.stringify(alice.token)}</script><script type="module" src="/host.js"></script>`)
    await page.route('**/host.js', async (route) => { await route.fulfill({ contentType: 'text/javascript', body: script }) })
    await page.goto('/host')
    const list = page.locator('chat-list')
    await list.locator(`[data-id="${id}"]`).waitFor()
    await until(page, 'told.includes("unread 1")')
    t.strictSame(await page.evaluate('(({ id, className, style, conversation, theme, server }) => [id, className, style.height, conversation, theme, server])(document.querySelector("chat-list"))'),
      ['list', 'mine', '300px', null, 'light', server.baseUrl])
    await list.locator(`[data-id="${id}"]`).click()
    const chat = page.locator('chat-window')
    await bubble(chat, 'Hello').waitFor()
    t.equal(await list.getAttribute('conversation'), id, 'onSelect')
    await chat.getByRole('button', { name: 'Senden' }).waitFor()
    await page.evaluate('document.querySelector("chat-window").scrollIntoView()') // What is off screen is not read
    await until(page, 'told.includes("unread 0")')
    await page.evaluate('setTheme("dark")')
    await until(page, 'document.querySelector("chat-window").theme === "dark"')
    t.equal(await chat.locator('.attach-button, input[type=file]').count(), 0, 'a service without files gets none')
    const theirs = chat.getByRole('textbox')
    await theirs.fill('From React')
    await theirs.press('Enter')
    await bubble(chat, 'From React').waitFor()
    await send(bob, id, 'An answer')
    await bubble(chat, 'An answer').waitFor()
    await page.evaluate('setToken("not.a.token")')
    await until(page, 'told.includes("signed out")')
    t.notOk((await page.evaluate('told') as string[]).some((one) => one.startsWith('error')))
    await page.evaluate('unmount()')
    t.equal(await page.locator('chat-list, chat-window').count(), 0)
    t.strictSame(problems.filter((problem) => !/401|404/.test(problem)), []) // The token, and the files
  })

  t.test('React: elements whose code cannot be loaded call onError', async (t) => {
    const { page } = await open(`<script>window.token = ${JSON.stringify(alice.token)}</script><script type="module" src="/host.js"></script>`)
    await page.route('**/host.js', async (route) => { await route.fulfill({ contentType: 'text/javascript', body: script }) })
    await page.route('**/chat.js', async (route) => { await route.abort() })
    await page.goto('/host')
    await until(page, 'told?.includes("error TypeError")')
  })
})
