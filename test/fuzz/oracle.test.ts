import t from 'tap'
import { mint } from '../chaos/token.js'
import { LogWatch } from './log-watch.js'
import { judge } from './oracle.js'
import { setJson, type FuzzRequest } from './requests.js'
import type { Route } from './routes.js'
import { shrink } from './shrink.js'
import type { Exchange, WireAnswer } from './wire.js'

// The instruments find what they are made to find.

const route: Route = {
  name: 'GET /x',
  method: 'GET',
  url: '/x',
  params: undefined,
  query: undefined,
  body: undefined,
  responses: { 200: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } }, '4xx': {} }
}
const request: FuzzRequest = { route, method: 'GET', target: '/x', version: 'HTTP/1.1', headers: [], body: null, framing: 'length', copies: 1, wellFormed: true, mustReset: false }
const token = mint('ann')

function answers (status: number, body: unknown, more: Partial<WireAnswer> = {}): Exchange {
  return { outcome: 'answered', answers: [{ status, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(body)), events: undefined, ...more }] }
}
const refusal = { statusCode: 404, code: 'NOT_FOUND', error: 'Not Found', message: 'Not found' }
const kindOf = (exchange: Exchange, of = request): string | undefined => judge(of, exchange)?.kind

t.test('good answers are no findings', async t => {
  t.equal(kindOf(answers(200, { id: 'x' })), undefined)
  t.equal(kindOf(answers(404, refusal)), undefined)
  t.equal(kindOf({ outcome: 'closed', answers: [] }, { ...request, wellFormed: false }), undefined)
})

t.test('each mistake is a finding of its own', async t => {
  const stream = { ...request, route: { ...route, url: '/api/sse', responses: {} } }
  const mistakes: Array<[Exchange, FuzzRequest?]> = [
    [answers(500, { ...refusal, statusCode: 500 })],
    [answers(503, {})],
    [{ outcome: 'hang', answers: [] }],
    [{ outcome: 'closed', answers: [] }],
    [answers(200, { id: 7 })],
    [answers(200, { id: 'x', password: 'y' })],
    [answers(201, { id: 'x' })],
    [answers(404, refusal, { headers: {} })],
    [answers(404, { ...refusal, stack: 'x' })],
    [answers(404, { ...refusal, code: 'TEAPOT' })],
    [answers(409, { ...refusal, statusCode: 409 })],
    [answers(200, { id: token })],
    [answers(404, refusal, { headers: { 'content-type': 'application/json', 'x-echo': token } })],
    [answers(403, { statusCode: 403, code: 'FORBIDDEN', error: 'Forbidden', message: 'x' }), stream],
    [answers(200, '', { events: [] }), stream],
    [answers(200, '', { events: [{ type: 'message', data: '{}', id: undefined }] }), stream],
    [answers(200, '', { events: [{ type: 'connected', data: '{}', id: undefined }] }), stream]
  ]
  const kinds = mistakes.map(([exchange, of]) => kindOf(exchange, of))
  t.notOk(kinds.includes(undefined), kinds.join('\n'))
  t.equal(new Set(kinds).size, kinds.length, 'and can be told apart')
})

t.test('a token or an error in the log', async t => {
  const log = new LogWatch()
  log.watch({ target: `/api/sse?token=${token}`, headers: [] })
  log.read('{"level":30,"url":"/api/sse","msg":"incoming request"}')
  t.strictSame(log.faults, [])
  log.read(`{"level":30,"url":"/x/${token}","msg":"incoming request"}`)
  log.read('{"level":50,"msg":"Something went wrong"}')
  log.read('    at Object.<anonymous> (server.js:1:1)')
  t.equal(new Set(log.faults.map(({ kind }) => kind)).size, 3)
})

t.test('a finding is shown with the smallest request that has it', async t => {
  const big = { ...request, method: 'POST', target: '/x?a=1&b=2&c=3', copies: 3 }
  setJson(big, { text: 'x'.repeat(300), bad: ['good', 'the worst'], other: { a: 1 } })
  const smallest = await shrink(big, async ({ body, target }) => String(body).includes('worst') && target.includes('b='))
  t.match(smallest, { target: '/x?b=2', copies: 1 })
  t.equal(String(smallest.body).length < 30, true, String(smallest.body))
})
