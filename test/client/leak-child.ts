// Subscribes and unsubscribes at every stage. Nothing may keep the process alive afterwards.

import { subscribeToSSE } from '../../client/index.js'

const [, , baseUrl] = process.argv
const signal = new AbortController().signal

const { unsubscribe: pending } = subscribeToSSE({ baseUrl, token: () => new Promise(() => {}) })
const { unsubscribe: atOnce } = subscribeToSSE({ baseUrl, token: 't' })
atOnce()

await Promise.all([
  new Promise<void>((resolve) => {
    const { unsubscribe } = subscribeToSSE({ baseUrl, token: () => 't', signal, onMessage () { unsubscribe(); resolve() } })
  }),
  new Promise<void>((resolve) => {
    const { unsubscribe } = subscribeToSSE({ baseUrl, conversationId: 'refused', token: 't', onReconnecting () { setImmediate(() => { unsubscribe(); resolve() }) } })
  }),
  new Promise<void>((resolve) => {
    const { unsubscribe } = subscribeToSSE({ baseUrl, token: () => 't', onConnect () { setImmediate(() => { unsubscribe(); resolve() }) } })
  })
])
pending()
console.log('unsubscribed')
