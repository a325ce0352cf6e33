import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { EventSource } from 'eventsource'
import t from 'tap'
import { openConversation, createSession } from '../../client/index.js'
import { token } from '../helper.js'
import { clientOf, texts, until } from './people.js'
import { serverProcess } from './server-process.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const examples = join(root, 'examples')
const KEY = `csk_${'k'.repeat(40)}`

t.test('against the server', async (t) => {
  const { baseUrl } = await serverProcess(t, { SERVICE_KEYS: `bots:${KEY}` })
  const folder = mkdtempSync(join(tmpdir(), 'chat-examples-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const alice = clientOf(baseUrl, 'alice')
  const state = join(folder, 'position')

  await Promise.all([alice, clientOf(baseUrl, 'bot')].map((client) => client.me()))
  const { id } = await alice.createConversation({ type: 'direct', userId: 'bot' })
  const session = createSession(alice)
  const chat = openConversation(session, id)
  t.teardown(() => { chat.close(); session.close() })

  async function startBot (name = 'bot') {
    const child = spawn(process.execPath, ['--import=tsx', join(examples, `${name}.ts`)], {
      env: {
        PATH: process.env.PATH, TSX_TSCONFIG_PATH: join(examples, 'tsconfig.json'), CHAT_URL: baseUrl, CHAT_KEY: KEY, STATE: state, WORD_MS: '10'
      },
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const stop = async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    t.teardown(stop)
    for await (const line of createInterface({ input: child.stdout })) if (line === 'listening') break
    child.stdout.resume()
    return stop
  }

  await t.test('the bot answers, also what was written while it was down, once', async (t) => {
    const stop = await startBot()
    chat.send('ping')
    await until(chat, () => texts(chat).length === 2)
    while (!existsSync(state)) await new Promise((resolve) => setTimeout(resolve, 10))
    await stop()
    chat.send('ping')
    chat.send('and you?')
    await until(chat, () => texts(chat).length === 4)
    const stopAgain = await startBot()
    await until(chat, () => texts(chat).length === 5)
    t.strictSame(texts(chat), ['ping', 'pong', 'ping', 'and you?', 'pong'])
    await stopAgain()
  })

  await t.test('the assistant\'s answers grow, and can be stopped', async (t) => {
    const stop = await startBot('assistant')
    const { id } = await alice.createConversation({ type: 'direct', userId: 'assistant' })
    const chat = openConversation(session, id)
    t.teardown(() => { chat.close() })
    const lengths = new Set<number>()
    const last = () => chat.getSnapshot().messages.at(-1)
    chat.subscribe(() => { if (last()?.growing === true) lengths.add(last()?.text.length ?? 0) })
    chat.send('one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty')
    await until(chat, () => last()?.own === false && last()?.growing === false)
    t.match(last(), { text: /^You said: one two/, sender: { displayName: 'Assistant', isBot: true } }, 'on a service key')
    t.equal(last()?.replyTo?.text, chat.getSnapshot().messages[0]?.text)
    t.ok(lengths.size > 1, `seen with ${[...lengths].join(', ')} characters`)
    chat.send('count')
    await until(chat, () => last()?.own === false && last()?.growing === true && (last()?.text.length ?? 0) > 5)
    await alice.stopMessage(last()?.id ?? '')
    await until(chat, () => last()?.growing === false)
    t.match(last(), { metadata: null, deletedAt: null })
    t.ok((last()?.text.length ?? 0) < 3000, 'it did not come to the end')
    await stop()
  })

  await t.test('the page shows what is written and sends what is typed', async (t) => {
    const html = readFileSync(join(examples, 'browser.html'), 'utf8')
    const [, script = ''] = /<script type="module">(.*)<\/script>/s.exec(html) ?? []
    const items: { textContent: string }[] = []
    let submit = (_event: { preventDefault (): void }) => {}
    let shown = () => {}
    const input = { value: 'from the page' }
    const elements: Record<string, object> = {
      '#messages': { append: (item: { textContent: string }) => { items.push(item); shown() } },
      '#form': { addEventListener: (_type: string, listener: typeof submit) => { submit = listener } },
      '#text': input
    }
    const streams: EventSource[] = []
    const globals = {
      location: { hash: `#${new URLSearchParams({ url: baseUrl, token: token({ sub: 'alice', name: 'Alice' }), conversation: id })}` },
      document: { createElement: () => ({}), querySelector: (selector: string) => elements[selector] },
      EventSource: class extends EventSource {
        constructor (url: string) {
          super(url)
          streams.push(this)
        }
      }
    }
    const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...values: unknown[]) => Promise<void>
    await new AsyncFunction(...Object.keys(globals), script)(...Object.values(globals))
    const [stream] = streams
    t.teardown(() => stream?.close())
    await new Promise((resolve) => stream?.addEventListener('connected', resolve))
    t.notMatch(stream?.url, 'token', 'no token in the URL')
    const arrived = new Promise<void>((resolve) => { shown = resolve })
    submit({ preventDefault () {} })
    await arrived
    t.strictSame(items, [{ textContent: 'Alice: from the page' }])
    t.equal(input.value, '')
  })
})
