// Clients in a browser, each as its own documentation shows it: bundled, and run on a page of another origin.

import { fetchEventSource as fortaine } from '@fortaine/fetch-event-source'
import { fetchEventSource } from '@microsoft/fetch-event-source'
import { EventSourcePolyfill } from 'event-source-polyfill'
import { EventSource as Extended } from 'extended-eventsource'
import reactNative from 'react-native-sse'
import Reconnecting from 'reconnecting-eventsource'
import { SSE } from 'sse.js'
import { Subscription } from 'sse-z'
import { bearer, listen, withToken } from './listen.js'

/** React Native's bundler takes this for the class itself. */
const ReactNative = reactNative.default ?? reactNative

/** They resolve at the end of a stream: what `onclose` throws makes them come back. */
const fetching = fetchEventSource => ({
  comesBack: 'itself',
  open (url, token, hear) {
    const ended = new AbortController()
    fetchEventSource(url, {
      headers: bearer(token),
      signal: ended.signal,
      openWhenHidden: true,
      onmessage: ({ event, data, id }) => { hear(event, data, id) },
      onclose () { throw new Error('The stream ended') },
      onerror: () => 500
    }).catch(() => {})
    return () => { ended.abort() }
  }
})

export const clients = {
  EventSource: {
    comesBack: 'itself',
    open: (url, token, hear) => listen(new globalThis.EventSource(withToken(url, token)), hear)
  },
  '@microsoft/fetch-event-source': fetching(fetchEventSource),
  '@fortaine/fetch-event-source': fetching(fortaine),
  'extended-eventsource': {
    comesBack: 'itself',
    open: (url, token, hear) => listen(new Extended(url, { headers: bearer(token) }), hear)
  },
  'reconnecting-eventsource': {
    comesBack: 'itself',
    open: (url, token, hear) => listen(new Reconnecting(withToken(url, token)), hear)
  },
  'event-source-polyfill': {
    comesBack: 'itself',
    open: (url, token, hear) => listen(new EventSourcePolyfill(url, { headers: bearer(token), heartbeatTimeout: 75_000 }), hear)
  },
  'sse.js': {
    comesBack: 'itself',
    open: (url, token, hear) => listen(new SSE(url, { headers: bearer(token), autoReconnect: true, reconnectDelay: 500 }), hear)
  },
  'react-native-sse': {
    comesBack: 'itself',
    open: (url, token, hear) => listen(new ReactNative(url, { headers: bearer(token), pollingInterval: 500 }), hear)
  },
  'sse-z': {
    comesBack: 'itself',
    messagesOnly: true,
    open (url, token, hear) {
      const searchParams = Object.fromEntries(new URL(withToken(url, token)).searchParams)
      const subscription = new Subscription({ url, searchParams, onNext: data => { hear('message', data, '') } })
      return () => { subscription.unsubscribe() }
    }
  }
}

// What main.ts calls
globalThis.clients = clients
globalThis.openClient = (name, url, token) => {
  globalThis.closeClient = clients[name].open(url, token, (...heard) => globalThis.hear(...heard))
}
