import { test } from 'tap'
import { createEventParser } from '../../client/stream/parser.js'

/*
 * The cases that the web platform tests know for text/event-stream (HTML Standard, 9.2.5 and 9.2.6), each read whole,
 * split at every byte, and byte by byte.
 */

interface Parsed { events: [type: string, data: string, id: string | undefined][], retries: number[] }

function parse (pieces: Uint8Array[]): Parsed {
  const parsed: Parsed = { events: [], retries: [] }
  const feed = createEventParser({
    onEvent: (...event) => parsed.events.push(event),
    onRetry: (ms) => parsed.retries.push(ms)
  })
  for (const piece of pieces) feed(piece)
  return parsed
}

const bytes = (text: string) => new TextEncoder().encode(text)

function inEveryWay (whole: Uint8Array): Parsed[] {
  const ways = [parse([whole]), parse(Array.from(whole, (byte) => Uint8Array.of(byte)))]
  for (let cut = 1; cut < whole.length; cut++) ways.push(parse([whole.subarray(0, cut), whole.subarray(cut)]))
  return ways
}

type Case = [
  name: string, input: string, events: ([data: string] | [data: string, type: string] | [data: string, type: string, id: string])[],
  retries?: number[]
]

const cases: Case[] = [
  // Lines and their ends
  ['line feed', 'data: a\n\ndata: b\n\n', [['a'], ['b']]],
  ['carriage return', 'data: a\r\rdata: b\r\r', [['a'], ['b']]],
  ['both', 'data: a\r\n\r\ndata: b\r\n\r\n', [['a'], ['b']]],
  ['all kinds mixed', 'data: a\r\ndata: b\rdata: c\n\r\ndata: d\n\r', [['a\nb\nc'], ['d']]],
  ['LF after CR LF is an empty line', 'data: a\r\n\ndata: b\n\n', [['a'], ['b']]],
  ['other line separators are none', 'data: a\u2028b\u0085c\u000Bd\u000Ce\n\n', [['a\u2028b\u0085c\u000Bd\u000Ce']]],
  ['an event that the end cuts off', 'data: a\n\ndata: b\n', [['a']]],
  ['a line that the end cuts off', 'data: a\n\ndata: b', [['a']]],
  ['nothing', '', []],
  ['empty lines only', '\n\n\r\r\r\n\n', []],
  // The byte order mark
  ['one byte order mark is taken off', '\uFEFFdata: a\n\n', [['a']]],
  ['a second one is part of the field\'s name', '\uFEFF\uFEFFdata: a\n\ndata: b\n\n', [['b']]],
  ['one in the middle is kept', 'data: a\uFEFFb\n\n\uFEFFdata: c\n\n', [['a\uFEFFb']]],
  // Comments
  ['comments', ': hello\ndata: a\n:\n: \n:data: no\ndata: b\n\n:\n\n', [['a\nb']]],
  ['a long comment', `:${'x'.repeat(300)}\ndata: a\n\n`, [['a']]],
  ['a comment alone makes no event', ': heartbeat\n\n', []],
  ['heartbeats before an event', ': heartbeat\n: heartbeat\nid: 1\ndata: a\n\n', [['a', 'message', '1']]],
  // Data
  ['no value', 'data\n\n', [['']]],
  ['no value, twice', 'data\ndata\n\n', [['\n']]],
  ['empty value', 'data:\n\n', [['']]],
  ['one space is taken off', 'data:  a\n\ndata:\tb\n\ndata:c \n\n', [[' a'], ['\tb'], ['c ']]],
  ['colons are part of the value', 'data:a:b: c\n\ndata::\n\n', [['a:b: c'], [':']]],
  ['several lines', 'data: a\ndata:\ndata: b\n\n', [['a\n\nb']]],
  ['U+0000', 'data:\u0000\n\n', [['\u0000']]],
  ['beyond the basic plane', 'data: \u{1F600}é€\n\n', [['\u{1F600}é€']]],
  ['fields in any order', 'data: a\nevent: e\nid: 1\ndata: b\n\n', [['a\nb', 'e', '1']]],
  // Event
  ['a named event, once', 'event: e\ndata: a\n\ndata: b\n\n', [['a', 'e'], ['b']]],
  ['the last name counts', 'event: e\nevent: f\ndata: a\n\n', [['a', 'f']]],
  ['an empty name is message', 'event: e\nevent:\ndata: a\n\nevent\ndata: b\n\n', [['a'], ['b']]],
  ['a name without data is no event, nor the next one\'s name', 'event: e\n\ndata: a\n\n', [['a']]],
  // Id
  ['an id', 'id: 1\ndata: a\n\nid:2\ndata: b\n\n', [['a', 'message', '1'], ['b', 'message', '2']]],
  ['an empty id', 'id\ndata: a\n\nid:\ndata: b\n\n', [['a', 'message', ''], ['b', 'message', '']]],
  ['an id with U+0000 is ignored', 'id: 1\u00002\ndata: a\n\nid: 3\nid: \u0000\ndata: b\n\n', [['a'], ['b', 'message', '3']]],
  ['an id of any letters', 'id: …é\ndata: a\n\n', [['a', 'message', '…é']]],
  // Retry
  ['retry', 'retry: 3000\ndata: a\n\n', [['a']], [3000]],
  ['retry with leading zeros is decimal', 'retry: 0010\n\n', [], [10]],
  ['retry alone, and at once', 'retry: 5\n', [], [5]],
  ['retry that is no number', 'retry: 3000x\nretry: -1\nretry: 1.5\nretry: 0x10\nretry:\nretry\ndata: a\n\n', [['a']], []],
  // Other fields
  ['unknown fields', 'foo: a\nfoo\ndata : b\n data: c\nDATA: d\ndatax: e\nidx: 4\ndata: f\n\n', [['f']]]
]

for (const [name, input, events, retries = []] of cases) {
  test(name, async (t) => {
    const expected: Parsed = {
      events: events.map(([data, type = 'message', id]) => [type, data, id]),
      retries
    }
    for (const parsed of inEveryWay(bytes(input))) t.strictSame(parsed, expected)
  })
}

test('bytes that are no UTF-8 become U+FFFD', async (t) => {
  const input = Uint8Array.of(...bytes('data: a'), 0xff, 0xe2, 0x82, ...bytes('b\n\n'))
  for (const parsed of inEveryWay(input)) t.strictSame(parsed.events, [['message', 'a\uFFFD\uFFFDb', undefined]])
})

test('an event is handed on with its last line end, not with what follows', async (t) => {
  for (const end of ['\n\n', '\r\r', '\r\n\r\n']) {
    const { events } = parse(Array.from(bytes(`data: a${end}`), (byte) => Uint8Array.of(byte)))
    t.strictSame(events, [['message', 'a', undefined]])
  }
})
