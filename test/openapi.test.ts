import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import asyncApi from '@asyncapi/parser'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import spectralCore from '@stoplight/spectral-core'
import spectralParsers from '@stoplight/spectral-parsers'
import spectralRulesets from '@stoplight/spectral-rulesets'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { FastifyInstance } from 'fastify'
import openapiTypes, { astToString } from 'openapi-typescript'
import t from 'tap'
import ts from 'typescript'
import { resolver } from '../chat/webhooks/addresses.js'
import { errorCatalogue } from '../schemas/errors.js'
import { eventCatalogue, followerEvents } from '../schemas/events.js'
import { buildWithFiles } from './files/upload.js'
import { build, call, listen, user, users, type User } from './helper.js'

const { Parser } = asyncApi

interface Media { schema: object, examples?: Record<string, { value: object }> }

interface Operation {
  operationId?: string
  summary?: string
  tags?: string[]
  security?: object[]
  parameters?: Array<{ name: string, in: string, required?: boolean, schema: object }>
  requestBody?: { required: boolean, content: Record<string, Media> }
  responses: Record<string, { description: string, content?: Record<string, Media> }>
}

interface Document {
  openapi: string
  info: { title: string, version: string }
  servers: Array<{ url: string }>
  tags: Array<{ name: string }>
  security: object[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object>, securitySchemes: Record<string, object> }
  'x-events': Record<string, { $ref: string }>
  'x-errors': { answer: object, codes: Record<string, { status: number, message: string }> }
}

/** The table of the contract. */
const routes = [
  'GET /api/chat/messages/{id}', 'GET /api/chat/messages/{id}/replies', 'GET /api/chat/messages/{id}/reactions', 'GET /api/chat/messages/{id}/receipts', 'PUT /api/chat/messages/{id}/reactions/{emoji}',
  'DELETE /api/chat/messages/{id}/reactions/{emoji}', 'GET /api/chat/mentions', 'PATCH /api/chat/me', 'GET /api/chat/users/{id}', 'GET /api/chat/users', 'GET /api/chat/search',
  'GET /api/chat/blocks', 'PUT /api/chat/blocks/{userId}', 'DELETE /api/chat/blocks/{userId}',
  'POST /api/chat/messages', 'PUT /api/chat/messages/{id}/status', 'PATCH /api/chat/messages/{id}', 'DELETE /api/chat/messages/{id}', 'POST /api/chat/messages/{id}/append', 'POST /api/chat/messages/{id}/finish', 'POST /api/chat/messages/{id}/stop', 'POST /api/chat/typing',
  'PUT /api/chat/status/online', 'GET /api/sse', 'GET /api/chat/me', 'POST /api/chat/conversations', 'GET /api/chat/conversations',
  'GET /api/chat/conversations/{id}', 'POST /api/chat/conversations/{id}/participants', 'PUT /api/chat/conversations/{id}/participants/{userId}',
  'DELETE /api/chat/conversations/{id}', 'DELETE /api/chat/conversations/{id}/participants/{userId}', 'GET /api/chat/conversations/{id}/messages', 'PUT /api/chat/conversations/{id}/read',
  'PATCH /api/chat/conversations/{id}', 'PATCH /api/chat/conversations/{id}/me', 'GET /api/chat/conversations/{id}/changes',
  'POST /api/chat/files', 'DELETE /api/chat/files/{id}', 'POST /api/chat/files/urls', 'GET /api/chat/files/{id}', 'GET /api/chat/files/{id}/thumbnail',
  'GET /api/admin/users', 'GET /api/admin/users/{id}', 'PUT /api/admin/users/{id}', 'POST /api/admin/users/{id}/token',
  'POST /api/admin/webhooks', 'GET /api/admin/webhooks', 'GET /api/admin/webhooks/{id}', 'PATCH /api/admin/webhooks/{id}', 'DELETE /api/admin/webhooks/{id}',
  'POST /api/admin/webhooks/{id}/rotate', 'POST /api/admin/webhooks/{id}/test', 'POST /api/admin/webhooks/{id}/skip', 'GET /api/admin/webhooks/{id}/dead',
  'POST /api/admin/webhooks/{id}/dead/{eventId}/retry',
  'GET /api/chat/files/{id}/content', 'GET /health/live', 'GET /health/ready', 'POST /api/auth/register', 'POST /api/auth/login', 'POST /api/sse/tickets', 'POST /api/sse/{streamId}/token'
]
/** Operations that need no token. */
const open = ['GET /api/chat/files/{id}/content', 'GET /health/live', 'GET /health/ready', 'POST /api/auth/register', 'POST /api/auth/login']

const { app } = await buildWithFiles(t, { chat: { accounts: true, webhookAllowPrivate: true } })
const documentOf = async (app: FastifyInstance): Promise<Document> => (await call<Document>(app, 'GET', '/api/openapi.json')).body
const document = await documentOf(app)
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, method: method.toUpperCase(), path, operation })))
const errorAnswer = { $ref: '#/components/schemas/ErrorAnswer' }

await t.test('the document lists every route, with its schemas', async t => {
  const { status, headers } = await call<Document>(app, 'GET', '/api/openapi.json')
  t.equal(status, 200, 'it needs no token')
  t.match(headers['content-type'], /^application\/json/)
  t.match(document.openapi, /^3\.1\.\d+$/)
  t.match(document.info, { title: 'fastify-sse-chat', version: String })
  t.strictSame(operations.map(({ name }) => name).sort(), routes.toSorted(), 'these, and no other')

  const ajv = new Ajv2020({ strict: false, formats: { binary: true } })
  ajv.addSchema(document, 'document')
  const schemas: Array<[string, object]> = Object.entries(document.components.schemas)
  for (const { name, path, operation } of operations) {
    const inPath = (operation.parameters ?? []).filter(parameter => parameter.in === 'path')
    t.strictSame(inPath.map(parameter => parameter.name).sort(), [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter).sort(), `${name} declares its parameters`)
    t.ok(inPath.every(({ required }) => required), 'all required')
    t.ok(Object.values(operation.responses).every(({ description }) => description.length > 0))
    t.equal(operation.security?.length === 0, open.includes(name), `${name}: ${open.includes(name) ? 'open' : 'with a token'}`)
    for (const parameter of operation.parameters ?? []) schemas.push([name, parameter.schema])
    for (const { schema } of Object.values(operation.requestBody?.content ?? {})) schemas.push([name, schema])
    for (const { content = {} } of Object.values(operation.responses)) for (const { schema } of Object.values(content)) schemas.push([name, schema])
  }
  for (const [name, schema] of schemas) {
    // A reference within the document is looked up in it.
    const rooted = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')) as object
    t.doesNotThrow(() => ajv.compile(rooted), `${name}: a valid schema`)
  }
  t.ok(schemas.length > 40)
  for (const path of ['', '/thumbnail', '/content']) t.match(document.paths[`/api/chat/files/{id}${path}`]?.get?.responses, { 200: {}, 206: {}, 304: {}, 416: {} })
})

await t.test('every operation has a name, a summary, a part of the API that it belongs to, its refusals and examples', async t => {
  const names = operations.map(({ operation }) => operation.operationId)
  t.strictSame([...new Set(names)], names, 'no name twice')
  const tags = document.tags.map(({ name }) => name)
  for (const { name, operation: { operationId, summary, tags: own = [], responses, requestBody } } of operations) {
    t.match(operationId, /^[a-z][a-zA-Z]+$/, `${name} has an operationId that can be a method: set it in the route's schema`)
    t.type(summary, 'string', `${name} has a summary`)
    t.ok(own.length === 1 && tags.includes(own[0]!), `${name} has one of the tags of plugins/docs.ts`)
    t.strictSame(responses.default?.content?.['application/json']?.schema, errorAnswer)
    const refusals = Object.entries(responses).filter(([status]) => /^4/.test(status))
    t.ok(refusals.length > 0 && refusals.every(([, { content }]) => isDeepStrictEqual(content?.['application/json']?.schema, errorAnswer)), `${name} has refusals`)
    const json = requestBody?.content['application/json']
    if (json !== undefined) t.ok(Object.keys(json.examples ?? {}).length > 0, `${name} has an example of its body`)
  }
})

await t.test('shapes have the names of schemas/, and generators can use them', async t => {
  const names = Object.keys(document.components.schemas)
  for (const name of ['OwnMessage', 'Conversation', 'ErrorAnswer', 'CreateConversationBody', 'MessageEvent']) t.ok(names.includes(name), name)
  const text = JSON.stringify(document)
  t.notMatch(text, /def-\d|x-shape/)
  t.notMatch(text, /\\\\u[dD][89a-fA-F]/, 'no surrogates in patterns')
  for (const [, pattern] of text.matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g)) {
    // Without the u flag, as generated code has it
    const expression = new RegExp(JSON.parse(pattern!) as string)
    if (expression.test('text with spaces')) t.match('👍🏽 ok', expression, String(pattern))
  }
  t.match(document.components.schemas.CreateConversationBody, {
    discriminator: { propertyName: 'type', mapping: { direct: '#/components/schemas/CreateDirectBody', group: '#/components/schemas/CreateGroupBody' } },
    oneOf: [{ $ref: '#/components/schemas/CreateDirectBody' }, { $ref: '#/components/schemas/CreateGroupBody' }]
  })
  const shapes = document.components.schemas as Record<string, { properties?: object, required?: string[] }>
  for (const [name, { properties, required = [] }] of Object.entries(shapes)) {
    const isPerson = properties !== undefined && ['userId', 'displayName', 'avatar'].every(field => field in properties)
    // What events say of who did something is fixed.
    if (isPerson && !name.endsWith('Event')) t.ok(required.includes('isBot'), `${name} says whether it is a bot`)
  }
  const modules = readdirSync(new URL('../schemas', import.meta.url)).map(name => name.replace(/\.ts$/, ''))
  for (const module of modules) {
    const shapes = Object.entries(await import(`../schemas/${module}.ts`) as object).filter(([, value]) => (value as { type?: string } | null)?.type === 'object')
    // Every object that a module exports can be named: the module is in the list of plugins/openapi/shapes.ts
    const { forDocument } = await import('../plugins/openapi/shapes.js')
    for (const [name, shape] of shapes) t.match(forDocument(shape), { 'x-shape': String }, `${module}: ${name}`)
  }
})

await t.test('the document lists the events and the errors', async t => {
  t.strictSame(Object.keys(document['x-events']), Object.keys(eventCatalogue))
  for (const [type, { $ref }] of Object.entries(document['x-events'])) t.ok(document.components.schemas[$ref.split('/').at(-1)!], type)
  t.strictSame(document['x-errors'].codes, Object.fromEntries(Object.entries(errorCatalogue).map(([code, [status, message]]) => [code, { status, message }])))

  const stream = document.paths['/api/sse']!.get!
  t.strictSame(stream.responses['200']!.content!['text/event-stream']!.schema, { $ref: '#/components/schemas/StreamEvent' })
  t.ok(stream.parameters!.some(({ name, in: place }) => name === 'Last-Event-ID' && place === 'header'))
  t.strictSame(stream.security, [{ token: [] }, { tokenInUrl: [] }, { ticket: [] }])
  const { oneOf } = document.components.schemas.StreamEvent as { oneOf: Array<{ properties: { event: { enum: string[] } } }> }
  t.strictSame(oneOf.flatMap(({ properties }) => properties.event.enum), Object.keys(eventCatalogue))
})

await t.test('the AsyncAPI document has the same events, and those of webhooks', async t => {
  const { body } = await call<{ channels: Record<string, { address: string | null, messages: object }> }>(app, 'GET', '/api/asyncapi.json')
  t.match(body, { asyncapi: '3.0.0', channels: { stream: { address: '/api/sse' } } })
  t.strictSame(Object.keys(body.channels['stream']!.messages), Object.keys(eventCatalogue))
  t.strictSame(Object.keys(body.channels['webhooks']!.messages), Object.keys(followerEvents).map(type => `${type}Webhook`))
  const { document, diagnostics } = await new Parser().parse(JSON.stringify(body))
  t.ok(document)
  t.strictSame(diagnostics.filter(({ severity }) => Number(severity) === 0), [])
})

await t.test('security and the server follow the options', async t => {
  const authenticate = () => ({ userId: 'alice', displayName: null })
  const of = async (chat: object): Promise<Document> => {
    const app = await build(t, { chat: { health: false, metrics: false, authenticate, ...chat } })
    return (await call<Document>(app, 'GET', `${'prefix' in chat ? String(chat.prefix) : ''}/api/openapi.json`)).body
  }
  const plain = await of({ prefix: '/chat' })
  t.strictSame([plain.security, Object.keys(plain.components.securitySchemes)], [[], ['ticket']], 'the host knows how')
  t.strictSame(plain.paths['/api/sse']!.get!.security, [{}, { ticket: [] }])
  t.strictSame(plain.servers.map(({ url }) => url), ['/chat'])
  t.ok(plain.paths['/api/chat/messages'], 'paths are those below the prefix')
  t.notOk(Object.keys(plain.paths).some(path => path.includes('/auth/')), 'what is off is not listed')

  const named = await of({ docs: { securitySchemes: { session: { type: 'apiKey', in: 'cookie', name: 'sessionId' } } } })
  t.strictSame(named.security, [{ session: [] }])
  t.match(named.components.securitySchemes, { session: { type: 'apiKey', in: 'cookie', name: 'sessionId' } })
  t.strictSame(named.paths['/api/sse']!.get!.security, [{ session: [] }, { ticket: [] }])
})

/** What Redocly and Spectral have against a document, by the rules that they recommend. */
async function complaintsAbout (document: Document): Promise<string[]> {
  const source = JSON.stringify(document)
  const config = await createConfig({ extends: ['recommended'] })
  const redocly = await lintFromString({ source, absoluteRef: 'openapi.json', config })
  const spectral = new spectralCore.Spectral()
  spectral.setRuleset({ extends: [spectralRulesets.oas as never] })
  const found = await spectral.run(new spectralCore.Document(source, spectralParsers.Json))
  return [
    ...redocly.map(({ ruleId, message, location }) => `redocly ${ruleId}: ${message} ${location[0]?.pointer}`),
    ...found.map(({ code, message, path }) => `spectral ${code}: ${message} ${path.join('/')}`)
  ]
}

await t.test('Redocly and Spectral have nothing against it', async t => {
  t.strictSame(await complaintsAbout(document), [])
  const mistaken = await complaintsAbout({ ...document, paths: { '/x': { get: { responses: { 200: { description: 'No more' } } } } } })
  for (const linter of ['redocly', 'spectral']) t.ok(mistaken.some(complaint => complaint.startsWith(linter)), `${linter} would find a mistake`)
})

await t.test('every example is accepted', async t => {
  const [alice, bob] = [user(app, 'alice', { chat_admin: true }), user(app, 'bob')]
  for (const id of ['carol', 'dora']) await user(app, id).arrive()
  const direct = await alice.direct(bob)
  const group = await alice.group([bob], 'A group')
  const [own, others] = [await alice.send(direct, 'of alice'), await bob.send(direct, 'of bob')]
  const growing = await alice.send(direct, '', { growing: true })
  await listen(app)
  const stream = await alice.stream(t)
  const { streamId } = stream.events[0]!.data
  const { lookup } = resolver
  resolver.lookup = async () => [{ address: '127.0.0.1', family: 4 }]
  t.teardown(() => { resolver.lookup = lookup })
  const webhook = await alice.ok<{ id: string }>('POST', '/api/admin/webhooks', { url: 'https://shop.example/', events: ['*'] })
  /** What stands for the parameters of a path. */
  const fill = (path: string): string => path
    .replace('{streamId}', String(streamId))
    .replace('{userId}', 'bob')
    .replace(/(?<=admin\/webhooks\/)\{id\}/, webhook.id)
    .replace(/(?<=admin\/users\/)\{id\}/, 'carol')
    .replace(/(?<=conversations\/)\{id\}/, group)
    .replace(/(?<=messages\/)\{id\}(?=\/status)/, others.id)
    .replace(/(?<=messages\/)\{id\}(?=\/(append|finish|stop))/, growing.id)
    .replace(/(?<=messages\/)\{id\}/, own.id)

  let sent = 0
  for (const { name, method, path, operation } of operations) {
    for (const { value } of Object.values(operation.requestBody?.content['application/json']?.examples ?? {})) {
      const url = fill(path)
      t.notMatch(url, /[{}]/, `${name}: this test knows what to put into its path`)
      const { status, body } = await alice.call(method as 'POST', url, value)
      t.ok(status < 300, `${name} ${JSON.stringify(value)}: ${status} ${status < 300 ? '' : JSON.stringify(body)}`)
      sent++
    }
  }
  t.ok(sent > 15, `${sent} examples`)
})

/** Code of a user of openapi-fetch. It is checked against the types that openapi-typescript makes of the document, and then run. */
const TYPED = `
import createClient from 'openapi-fetch'
import type { components, paths } from './api.js'

export async function run (baseUrl: string, token: string, userId: string): Promise<[string, number, string | undefined]> {
  const client = createClient<paths>({ baseUrl, headers: { authorization: \`Bearer \${token}\` } })
  const { data: conversation, error } = await client.POST('/api/chat/conversations', { body: { type: 'direct', userId } })
  if (error !== undefined) throw new Error(\`\${error.code}: \${error.message}\`)
  const { data: message } = await client.POST('/api/chat/messages', { body: { conversationId: conversation.id, text: 'Typed' } })
  await client.PUT('/api/chat/messages/{id}/reactions/{emoji}', { params: { path: { id: message!.id, emoji: '👍' } } })
  const { data: page } = await client.GET('/api/chat/conversations/{id}/messages', { params: { path: { id: conversation.id }, query: { limit: 1 } } })
  const { error: refusal, response } = await client.GET('/api/chat/messages/{id}', { params: { path: { id: 'nope' } } })
  return [page!.messages[0]!.reactions[0]!.emoji, response.status, refusal?.code]
}

export const text = (event: components['schemas']['StreamEvent']): string => {
  switch (event.event) {
    case 'message': return event.data.text
    case 'typing': return event.data.displayName
    case 'disconnect': return event.data.reason
    default: return ''
  }
}

export function wrong (client: ReturnType<typeof createClient<paths>>): void {
  // @ts-expect-error A direct conversation has a userId
  void client.POST('/api/chat/conversations', { body: { type: 'direct', participantIds: [] } })
  // @ts-expect-error There is no such status
  void client.PUT('/api/chat/messages/{id}/status', { params: { path: { id: 'x' } }, body: { status: 'seen' } })
}
`

await t.test('types of openapi-typescript and calls of openapi-fetch', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'chat-openapi-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  symlinkSync(fileURLToPath(new URL('../node_modules', import.meta.url)), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'api.ts'), astToString(await openapiTypes(JSON.stringify(document))))
  const file = join(folder, 'typed.ts')
  writeFileSync(file, TYPED)

  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, strict: true, noEmit: true, skipLibCheck: true, types: [], lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'] }
  const program = ts.createProgram([file], options)
  t.strictSame(ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')), [])

  writeFileSync(join(folder, 'typed.mjs'), ts.transpileModule(TYPED, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } }).outputText)
  const { run } = await import(pathToFileURL(join(folder, 'typed.mjs')).href) as { run: (...input: string[]) => Promise<unknown> }
  const [caller, other] = users(app, `u${randomBytes(4).toString('hex')}`, `u${randomBytes(4).toString('hex')}`) as [User, User]
  await other.arrive()
  t.strictSame(await run(`http://127.0.0.1:${(app.server.address() as { port: number }).port}`, caller.token, other.id), ['👍', 404, 'NOT_FOUND'])
})
