// Clients in Node.js, each as its own documentation shows it. `comesBack` says who opens a stream anew that has ended: the client itself,
// or the caller in a loop.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { EventSourcePlus } from 'event-source-plus'
import { EventSource } from 'eventsource'
import { createEventSource } from 'eventsource-client'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import EventSource2 from 'eventsource-2'
import { EventSource as Extended } from 'extended-eventsource'
import { stream } from 'fetch-event-stream'
import { fetchEventData } from 'fetch-sse'
import LaunchDarkly from 'launchdarkly-eventsource'
import { after, again, bearer, listen } from './listen.js'

export const clients = {
  eventsource: {
    comesBack: 'itself',
    open: (url, token, hear) => listen(new EventSource(url, {
      fetch: async (input, init) => await fetch(input, { ...init, headers: { ...init.headers, ...bearer(token) } })
    }), hear)
  },
  'eventsource-2': {
    comesBack: 'itself',
    open: (url, token, hear) => listen(new EventSource2(url, { headers: bearer(token) }), hear)
  },
  'launchdarkly-eventsource': {
    comesBack: 'itself',
    open: (url, token, hear) => listen(new LaunchDarkly.EventSource(url, { headers: bearer(token) }), hear)
  },
  'eventsource-client': {
    comesBack: 'itself',
    open (url, token, hear) {
      const source = createEventSource({ url, headers: bearer(token), onMessage: ({ event = 'message', data, id }) => { hear(event, data, id) } })
      return () => { source.close() }
    }
  },
  'event-source-plus': {
    comesBack: 'itself',
    open (url, token, hear) {
      const controller = new EventSourcePlus(url, { headers: bearer(token) }).listen({ onMessage: ({ event = 'message', data, id }) => { hear(event, data, id) } })
      return () => { controller.abort() }
    }
  },
  'extended-eventsource': {
    comesBack: 'itself',
    open: (url, token, hear) => listen(new Extended(url, { headers: bearer(token) }), hear)
  },
  'eventsource-parser': {
    comesBack: 'loop',
    open: (url, token, hear) => again(async (last, hear, signal) => {
      const { body } = await fetch(url, { headers: { ...bearer(token), ...after(last) }, signal })
      for await (const { event = 'message', data, id } of body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())) hear(event, data, id)
    }, hear)
  },
  'fetch-event-stream': {
    comesBack: 'loop',
    open: (url, token, hear) => again(async (last, hear, signal) => {
      for await (const { event = 'message', data, id } of await stream(url, { headers: { ...bearer(token), ...after(last) }, signal })) hear(event, data, id)
    }, hear)
  },
  'fetch-sse': {
    comesBack: 'loop',
    withoutIds: true,
    open: (url, token, hear) => again(async (last, hear, signal) => {
      await fetchEventData(url, {
        method: 'GET',
        headers: { ...bearer(token), ...after(last) },
        signal,
        onMessage: message => { hear(message?.event || 'message', message?.data, message?.id) }
      })
    }, hear)
  },
  curl: {
    comesBack: 'loop',
    open: (url, token, hear) => again(async (last, hear, signal) => {
      const headers = Object.entries({ ...bearer(token), ...after(last) }).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
      const child = spawn('curl', ['-sN', url, ...headers], { signal, stdio: ['ignore', 'pipe', 'ignore'] }).on('error', () => {})
      let fields = {}
      for await (const line of createInterface({ input: child.stdout })) {
        const colon = line.indexOf(': ')
        if (line !== '') fields[line.slice(0, colon)] = line.slice(colon + 2)
        else {
          if (fields.data !== undefined) hear(fields.event, fields.data, fields.id)
          fields = {}
        }
      }
    }, hear)
  }
}
