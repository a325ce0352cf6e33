import { test } from 'tap'
import { baseUrlOf, defaultBaseUrl, queryOf } from '../../client/base/base-url.js'

test('the default base URL', async (t) => {
  const set = (globals: Record<string, unknown>) => {
    for (const [name, value] of Object.entries(globals)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
  }
  const { process } = globalThis
  t.teardown(() => {
    set({ process })
    Reflect.deleteProperty(globalThis, 'location')
    Reflect.deleteProperty(globalThis, 'navigator')
    delete process.env.EXPO_PUBLIC_API_URL
  })
  delete process.env.EXPO_PUBLIC_API_URL
  t.equal(defaultBaseUrl(), 'http://localhost:3000')
  set({ location: { origin: 'https://chat.example' } })
  t.equal(defaultBaseUrl(), 'https://chat.example', 'the page\'s own origin')
  process.env.EXPO_PUBLIC_API_URL = 'https://api.example/chat/'
  t.equal(baseUrlOf({}), 'https://api.example/chat')
  t.equal(baseUrlOf({ baseUrl: undefined }), 'https://api.example/chat')
  t.equal(baseUrlOf({ baseUrl: 'http://x/y//' }), 'http://x/y')
  t.equal(baseUrlOf({ baseUrl: '/chat' }), '/chat')
  t.equal(baseUrlOf({ baseUrl: '' }), '')
  set({ process: undefined })
  t.equal(defaultBaseUrl(), 'https://chat.example', 'no process, no error')
  set({ process: {} })
  t.equal(defaultBaseUrl(), 'https://chat.example')
  set({ navigator: { product: 'ReactNative' } })
  t.equal(defaultBaseUrl(), 'http://localhost:3000', 'the development server is not the service')
  set({ navigator: undefined, location: { origin: 'null' } })
  t.equal(defaultBaseUrl(), 'http://localhost:3000', 'a page from a file')
})

test('queries', async (t) => {
  t.equal(queryOf({}), '')
  t.equal(queryOf({ a: undefined, b: null }), '')
  t.equal(queryOf({ a: 'x&y=z +ü', b: 0, c: true, d: undefined }), '?a=x%26y%3Dz%20%2B%C3%BC&b=0&c=true')
})
