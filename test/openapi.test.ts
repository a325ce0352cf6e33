import { Ajv2020 } from 'ajv/dist/2020.js'
import { test } from 'tap'
import { eventCatalogue } from '../schemas/events.js'
import { errorCatalogue } from '../schemas/errors.js'
import { build, call } from './helper.js'

interface Operation {
  summary?: string
  security?: object[]
  parameters?: Array<{ name: string, in: string, required?: boolean, schema: object }>
  requestBody?: { content: Record<string, { schema: object }> }
  responses: Record<string, { description: string, content?: Record<string, { schema: object }> }>
}

interface Document {
  openapi: string
  info: { title: string, version: string }
  security: object[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas?: Record<string, object>, securitySchemes: Record<string, object> }
  'x-events': Record<string, object>
  'x-errors': { answer: object, codes: Record<string, { status: number, message: string }> }
}

/** The table of the contract. */
const routes = [
  'GET /api/chat/messages/{id}', 'GET /api/chat/messages/{id}/replies', 'GET /api/chat/messages/{id}/reactions', 'PUT /api/chat/messages/{id}/reactions/{emoji}',
  'DELETE /api/chat/messages/{id}/reactions/{emoji}', 'GET /api/chat/mentions', 'PATCH /api/chat/me', 'GET /api/chat/users/{id}',
  'POST /api/chat/messages', 'PUT /api/chat/messages/{id}/status', 'PATCH /api/chat/messages/{id}', 'DELETE /api/chat/messages/{id}', 'POST /api/chat/typing',
  'PUT /api/chat/status/online', 'GET /api/sse', 'GET /api/chat/me', 'POST /api/chat/conversations', 'GET /api/chat/conversations',
  'GET /api/chat/conversations/{id}', 'POST /api/chat/conversations/{id}/participants', 'PUT /api/chat/conversations/{id}/participants/{userId}',
  'DELETE /api/chat/conversations/{id}', 'DELETE /api/chat/conversations/{id}/participants/{userId}', 'GET /api/chat/conversations/{id}/messages', 'PUT /api/chat/conversations/{id}/read',
  'PATCH /api/chat/conversations/{id}', 'GET /api/chat/conversations/{id}/changes',
  'GET /health/live', 'GET /health/ready', 'POST /api/auth/register', 'POST /api/auth/login', 'POST /api/sse/tickets', 'POST /api/sse/{streamId}/token'
]
/** Operations that need no token. */
const open = ['GET /health/live', 'GET /health/ready', 'POST /api/auth/register', 'POST /api/auth/login']

test('the document lists every route, with its schemas', async (t) => {
  const app = await build(t, { chat: { accounts: true } })
  const { status, headers, body: document } = await call<Document>(app, 'GET', '/api/openapi.json')
  t.equal(status, 200, 'it needs no token')
  t.match(headers['content-type'], /^application\/json/)
  t.match(document.openapi, /^3\.1\.\d+$/)
  t.match(document.info, { title: 'fastify-sse-chat', version: String })

  const operations = Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation })))
  t.strictSame(operations.map(({ name }) => name).sort(), routes.toSorted(), 'these, and no other')

  const ajv = new Ajv2020({ strict: false })
  ajv.addSchema(document, 'document')
  const schemas: Array<[string, object]> = []
  for (const { name, path, operation } of operations) {
    t.type(operation.summary, 'string', `${name} says what it is for`)
    const inPath = (operation.parameters ?? []).filter(parameter => parameter.in === 'path')
    t.strictSame(inPath.map(parameter => parameter.name).sort(), [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter).sort(), `${name} declares its parameters`)
    t.ok(inPath.every(({ required }) => required), 'all required')
    t.ok(Object.keys(operation.responses).length > 0)
    t.ok(Object.values(operation.responses).every(({ description }) => typeof description === 'string'))
    t.equal(operation.security?.length === 0, open.includes(name), `${name}: ${open.includes(name) ? 'open' : 'with a token'}`)
    for (const parameter of operation.parameters ?? []) schemas.push([name, parameter.schema])
    for (const { schema } of Object.values(operation.requestBody?.content ?? {})) schemas.push([name, schema])
    for (const { content = {} } of Object.values(operation.responses)) for (const { schema } of Object.values(content)) schemas.push([name, schema])
  }
  schemas.push(...Object.entries(document['x-events']))
  t.ok(ajv.getSchema('Error'), 'the shape of an error')
  for (const [name, schema] of schemas) {
    // A reference within the document is looked up in it.
    const rooted = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')) as object
    t.doesNotThrow(() => ajv.compile(rooted), `${name}: a valid schema`)
  }
  t.ok(schemas.length > 40)
})

test('the document lists the events and the errors', async (t) => {
  const app = await build(t)
  const { body: document } = await call<Document>(app, 'GET', '/api/openapi.json')
  t.strictSame(Object.keys(document['x-events']), Object.keys(eventCatalogue))
  t.strictSame(document['x-events'], JSON.parse(JSON.stringify(eventCatalogue)))
  t.strictSame(document['x-errors'].codes, Object.fromEntries(Object.entries(errorCatalogue).map(([code, [status, message]]) => [code, { status, message }])))
  t.notOk(Object.keys(document.paths).some(path => path.startsWith('/api/auth')), 'what is off is not listed')
})
