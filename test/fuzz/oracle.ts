import { STATUS_CODES } from 'node:http'
import { Ajv, type ValidateFunction } from 'ajv'
import type { SseEvent } from '../chaos/sse-parser.js'
import { errorCatalogue, type ErrorCode } from '../../schemas/errors.js'
import { eventCatalogue } from '../../schemas/events.js'
import type { FuzzRequest } from './requests.js'
import type { Schema } from './routes.js'
import type { Exchange, WireAnswer } from './wire.js'

/** What is wrong with a response. `kind` is the same for the same mistake, whatever the request. */
export interface Fault { kind: string, detail: string }

const ajv = new Ajv({ strict: false, validateSchema: false })
/** The schemas of events, by type. */
const catalogue = new Map<string, object>(Object.entries(eventCatalogue))
const validators = new WeakMap<object, ValidateFunction>()

/** The statuses that a stream may be answered with. An `EventSource` gives up on anything but 200. */
const STREAM_STATUSES = new Set([200, 400, 401, 404, 429])
/** Responses of the HTTP parser, which come before any route. */
const PARSER_STATUSES = new Set([400, 408, 413, 431])
const ID = /^[A-Za-z0-9._:-]{1,128}$/
const JWT = /eyJ[A-Za-z0-9_-]{10,}/

/** Judges the response to a request. Undefined if nothing is wrong. */
export function judge (request: FuzzRequest, { answers, outcome }: Exchange): Fault | undefined {
  if (outcome === 'hang') return { kind: 'hang', detail: `${answers.length} of ${request.copies} answers` }
  if (outcome === 'closed' && request.wellFormed && !mayClose(answers)) return { kind: 'no answer', detail: `the connection ended after ${answers.length} of ${request.copies} answers` }
  for (const answer of answers) {
    const fault = judgeAnswer(request, answer)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** A server that closes the connection after a response must say so. */
const mayClose = (answers: WireAnswer[]): boolean => answers.at(-1)?.headers.connection === 'close'

function judgeAnswer (request: FuzzRequest, answer: WireAnswer): Fault | undefined {
  const { status, headers, body } = answer
  const { route, method } = request
  if (status >= 500) return { kind: `status ${status}`, detail: show(answer) }
  if (Number.isNaN(status)) return { kind: 'no status', detail: show(answer) }
  const told = Object.entries(headers).find(([, value]) => JWT.test(value))
  if (told !== undefined) return { kind: 'token in a header', detail: told.join(': ') }
  if (route?.url.endsWith('/sse') === true && request.wellFormed && !STREAM_STATUSES.has(status) && !PARSER_STATUSES.has(status)) return { kind: `stream answered ${status}`, detail: show(answer) }
  if (answer.events !== undefined) return judgeStream(request, answer.events)
  if (method === 'HEAD' || status === 304 || (status >= 300 && status < 400)) return undefined
  if (status >= 400) return judgeError(request, answer)
  if (route?.url.includes('/auth/') !== true && JWT.test(body.toString())) return { kind: 'token in a body', detail: show(answer) }
  return judgeSuccess(request, answer)
}

function judgeError ({ route }: FuzzRequest, answer: WireAnswer): Fault | undefined {
  const { status, headers, body } = answer
  const bad = (what: string): Fault => ({ kind: `error shape: ${what}, status ${status}`, detail: show(answer) })
  if (headers['content-type']?.startsWith('application/json') !== true) return bad('no JSON')
  const error = parse(body)
  if (typeof error !== 'object' || error === null) return bad('no object')
  const { statusCode, code, error: words, message } = error as Record<string, unknown>
  if (Object.keys(error).sort().join() !== 'code,error,message,statusCode') return bad(`fields ${Object.keys(error).join()}`)
  const known = typeof code === 'string' && Object.hasOwn(errorCatalogue, code) ? errorCatalogue[code as ErrorCode] : undefined
  if (known === undefined) return bad(`code ${String(code)}`)
  if (statusCode !== status || known[0] !== status) return bad(`statusCode ${String(statusCode)} with ${String(code)}`)
  if (words !== STATUS_CODES[status] || typeof message !== 'string' || message === '') return bad('words')
  if (status === 429 && !(Number(headers['retry-after']) > 0)) return bad('no Retry-After')
  if (JWT.test(String(message))) return { kind: 'token in an error', detail: show(answer) }
  // A route that declares error responses must declare all of them.
  const declared = Object.keys(route?.responses ?? {})
  if (declared.some(key => /^[45]/.test(key)) && !PARSER_STATUSES.has(status) && schemaFor(route!.responses, status) === undefined) return { kind: `undeclared status ${status} on ${route!.name}`, detail: show(answer) }
  return undefined
}

function judgeSuccess ({ route }: FuzzRequest, answer: WireAnswer): Fault | undefined {
  const { status, headers, body } = answer
  if (route === undefined || Object.keys(route.responses).length === 0) return undefined
  const schema = schemaFor(route.responses, status)
  if (schema === undefined) return { kind: `undeclared status ${status} on ${route.name}`, detail: show(answer) }
  if (status === 204) return undefined
  if (headers['content-type']?.startsWith('application/json') !== true) return { kind: `no JSON from ${route.name}`, detail: show(answer) }
  const errors = errorsOf(schema, parse(body))
  return errors === undefined ? undefined : { kind: `answer of ${route.name} does not fit its schema: ${errors}`, detail: show(answer) }
}

const schemaFor = (responses: Record<string, Schema>, status: number): Schema | undefined =>
  responses[status] ?? responses[`${String(status)[0]}xx`] ?? responses[`${String(status)[0]}XX`] ?? responses.default

function judgeStream (request: FuzzRequest, events: SseEvent[]): Fault | undefined {
  const bad = (what: string, event?: SseEvent): Fault => ({ kind: `stream: ${what}`, detail: JSON.stringify(event ?? events.slice(0, 3)) })
  const [first] = events
  if (first === undefined) return bad('ended without an event')
  if (first.type !== 'connected' && first.type !== 'disconnect') return bad('does not begin with connected', first)
  for (const event of events) {
    const schema = catalogue.get(event.type)
    if (schema === undefined) return bad('an event that the catalogue does not know', event)
    const errors = errorsOf(schema, parse(Buffer.from(event.data)))
    if (errors !== undefined) return bad(`${event.type} does not fit its schema: ${errors}`, event)
    if (event.id !== undefined && !ID.test(event.id)) return bad('a malformed id', event)
  }
  if (request.mustReset && first.type === 'connected' && events[1]?.type !== 'reset') return bad('no reset for a position that nobody has issued')
  return undefined
}

/** Whether enough of a stream was read: its first event, and the reset that must follow an invalid event id. */
export function enoughOf ({ mustReset }: FuzzRequest): (events: SseEvent[]) => boolean {
  return events => events.length > 0 && (events[0]!.type === 'disconnect' || !mustReset || events.length > 1)
}

// ---- schemas that allow no other field

function errorsOf (schema: object, value: unknown): string | undefined {
  let validate = validators.get(schema)
  if (validate === undefined) validators.set(schema, validate = ajv.compile(strict(schema as Schema)))
  return validate(value) ? undefined : ajv.errorsText(validate.errors)
}

function strict (schema: Schema): Schema {
  const copy: Record<string, unknown> = {}
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === '$id') continue
    if (keyword === 'properties') copy[keyword] = Object.fromEntries(Object.entries(value as Record<string, Schema>).map(([name, property]) => [name, strict(property)]))
    else if (Array.isArray(value)) copy[keyword] = value.map(item => typeof item === 'object' && item !== null ? strict(item as Schema) : item as unknown)
    else copy[keyword] = typeof value === 'object' && value !== null ? strict(value as Schema) : value
  }
  if (schema.properties !== undefined) copy.additionalProperties = false
  return copy as Schema
}

function parse (bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString()) as unknown
  } catch {
    return undefined
  }
}

const show = ({ status, headers, body }: WireAnswer): string => `${status} ${headers['content-type'] ?? ''} ${body.toString().slice(0, 300)}`
