import { test } from 'tap'
import { subscribeToSSE } from '../../client/index.js'
import type { ChatEvents } from '../../schemas/events.js'
import { connected, messageEvent } from './made.js'
import { createRecorder, quick } from './recorder.js'
import { frame, scriptedServer } from './scripted-server.js'

/** Pseudo-random numbers below `n`, the same at every run (a linear congruential generator). */
function createRandom (seed: number) {
  let state = seed
  return (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state % n
  }
}

// A stream of several conversations whose server cuts it at any byte, in any way, and after a resume begins earlier than
// requested, as it may.
for (const seed of [1, 2, 3, 4, 5]) {
  test(`cut anywhere, again and again: everything once and in order (${seed})`, async (t) => {
    const random = createRandom(seed)
    const log = Array.from({ length: 150 }, (_, i) => ({ id: `p${i}`, conversationId: 'abc'[random(3)] ?? 'a', eventSeq: 0 }))
    const counts = new Map<string, number>()
    for (const entry of log) {
      entry.eventSeq = (counts.get(entry.conversationId) ?? 0) + 1
      counts.set(entry.conversationId, entry.eventSeq)
    }
    const text = ({ id, conversationId, eventSeq }: typeof log[number]) =>
      frame('message', messageEvent(eventSeq, { conversationId, text: '🦊'.repeat(random(20)) }), id)

    const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => {
      const { lastEventId } = exchange
      const from = lastEventId === undefined ? 0 : log.findIndex(({ id }) => id === lastEventId) + 1
      const repeated = Math.max(0, from - random(5))
      exchange.headers()
      const start = frame('connected', connected({ conversationId: null }), lastEventId)
      const all = Buffer.from(start + log.slice(repeated).map((entry) => (random(4) === 0 ? ': heartbeat\n\n' : '') + text(entry)).join(''))
      let rest = all.subarray(0, random(6000) + start.length)
      const last = rest.length === all.length
      const write = () => {
        if (exchange.response.destroyed) return
        const length = 1 + random(700)
        const piece = rest.subarray(0, length)
        rest = rest.subarray(length)
        if (piece.length > 0) exchange.response.write(piece, () => setImmediate(write))
        else if (!last && random(2) === 0) exchange.response.destroy()
        else if (!last) exchange.end()
      }
      write()
    })
    const recorder = createRecorder()
    const { unsubscribe } = subscribeToSSE({ token: 't', baseUrl, ...quick, maxAttempts: 100, ...recorder.callbacks })
    await recorder.until('onMessage', log.length)
    unsubscribe()
    const seen = recorder.first('onMessage').map((message) => message as ChatEvents['message'])
    for (const conversationId of counts.keys()) {
      t.strictSame(
        seen.filter((message) => message.conversationId === conversationId).map(({ eventSeq }) => eventSeq),
        Array.from({ length: counts.get(conversationId) ?? 0 }, (_, i) => i + 1)
      )
    }
    t.equal(seen.length, log.length)
    t.ok(exchanges.length > 3, `${exchanges.length} connections`)
    t.strictSame(recorder.of('onError'), [])
  })
}
