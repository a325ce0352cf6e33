import { STATUS_CODES } from 'node:http'
import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema } from 'fastify'
import fp from 'fastify-plugin'
import { ErrorAnswer, errorCatalogue } from '../schemas/errors.js'
import { eventCatalogue } from '../schemas/events.js'
import { TEXT_LENGTH } from '../schemas/messages.js'
import docsPage from './docs-page.js'
import { asyncApiOf } from './openapi/asyncapi.js'
import { llmsText } from './openapi/llms.js'
import { isForOperators, refusalResponses } from './openapi/refusals.js'
import { examplesOf, forDocument, nameShapes } from './openapi/shapes.js'

export interface DocsOptions {
  /** Put before every path. */
  prefix: string
  /** Maximum length of a message's text, in code points. */
  maxTextLength: number
  /** Whether the host tells who calls, instead of tokens. */
  hostAuthenticates: boolean
  /** Whether services have keys. */
  hasServiceKeys: boolean
  /** Whether users register here. */
  hasAccounts: boolean
  /** How the host's callers authenticate, by name: OpenAPI's security schemes. */
  securitySchemes?: Record<string, SecurityScheme>
}

/** For example `{ type: 'apiKey', in: 'cookie', name: 'sessionId' }`. */
export type SecurityScheme =
  | { type: 'apiKey', in: 'cookie' | 'header' | 'query', name: string, description?: string }
  | { type: 'http', scheme: string, bearerFormat?: string, description?: string }
  | { type: 'openIdConnect', openIdConnectUrl: string, description?: string }

const token: SecurityScheme = { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' }
const tokenInUrl: SecurityScheme =
  { type: 'apiKey', in: 'query', name: 'token', description: 'The same token, for an EventSource, which can send no header' }
const serviceKey: SecurityScheme = { type: 'http', scheme: 'bearer', bearerFormat: 'csk_…', description: 'The key of a service' }
const actingFor: SecurityScheme =
  { type: 'apiKey', in: 'header', name: 'X-Chat-User', description: 'With a service key: for whom the service acts, percent-encoded' }
const ticket: SecurityScheme = { type: 'apiKey', in: 'query', name: 'ticket', description: 'A one-time ticket from `issueTicket`' }

type Security = Array<Record<string, never[]>>

const alternatives = (schemes: object): Security => Object.keys(schemes).map(name => ({ [name]: [] }))

/** Parts of the API, in the order in which a reader needs them. */
const tags = {
  accounts: 'Register and log in, where the service issues tokens itself',
  users: 'The caller, and other users',
  conversations: 'Conversations, their participants and their history',
  messages: 'Messages and what belongs to them: receipts, reactions, mentions, typing',
  files: 'Files of messages',
  stream: 'The event stream',
  admin: 'For operators: services with a key, and users whose token has the claim for it',
  health: 'For whoever runs the service'
}

const description = `Realtime chat: REST in, Server-Sent Events out.

Every refusal is an \`ErrorAnswer\`; its \`code\` is stable. The response to an event stream is \`text/event-stream\`, one \`StreamEvent\` after
the other: \`x-events\` lists them by name. Clients ignore fields and events that they do not know.`

/**
 * Serves the documents of the scope's routes and events, generated from the schemas that validate them: OpenAPI, AsyncAPI, plain text, and
 * a page.
 */
async function docsPlugin (
  app: FastifyInstance, { prefix, maxTextLength, hostAuthenticates, hasServiceKeys, hasAccounts, securitySchemes = {} }: DocsOptions
): Promise<void> {
  const schemes = hostAuthenticates ? securitySchemes : { token }
  const streamSchemes = hostAuthenticates ? { ticket } : { tokenInUrl, ticket }
  const serviceSchemes = hasServiceKeys ? { serviceKey, actingFor } : {}
  const ofUsers = alternatives(schemes)
  const ofServices = hasServiceKeys ? [{ serviceKey: [], actingFor: [] }] : []
  const security: Security = [...ofUsers, ...ofServices]
  const special = {
    // An empty requirement where it is not known here how the host's callers authenticate
    stream: [...ofUsers.length === 0 ? [{}] : ofUsers, ...alternatives(streamSchemes), ...ofServices],
    operators: [...ofUsers, ...hasServiceKeys ? [{ serviceKey: [] }] : []]
  }

  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'fastify-sse-chat',
        description,
        version: '1',
        contact: { name: 'fastify-sse-chat', url: 'https://github.com/fastify-sse-chat/fastify-sse-chat' },
        license: { name: 'MIT', url: 'https://opensource.org/license/mit' }
      },
      servers: [{ url: prefix === '' ? '/' : prefix, description: 'The server that serves this document' }],
      tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
      components: { securitySchemes: { ...schemes, ...streamSchemes, ...serviceSchemes } },
      security
    },
    transform: ({ schema = {}, url, route: { method } }) => ({ url, schema: operationOf(String(method), schema, special) }),
    transformObject: document => finished((document as { openapiObject: Document }).openapiObject, maxTextLength)
  })

  app.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  let asyncApi: object | undefined
  app.get('/api/asyncapi.json', { schema: { hide: true } }, async () => {
    asyncApi ??= asyncApiOf(prefix)
    return asyncApi
  })
  app.get('/api/llms.txt', { schema: { hide: true } }, async ({ protocol, host }, reply) => {
    reply.type('text/plain; charset=utf-8').header('X-Content-Type-Options', 'nosniff')
    return llmsText({ from: `${protocol}://${host}`, prefix, hasAccounts })
  })
  await app.register(docsPage)
}

const binary = { type: 'string', format: 'binary' }
/** A file, a part of it, or that it has not changed: what `sendFile` answers. */
const fileAnswers = { 200: binary, 206: binary, 304: { type: 'null' } }

/** A route's schema, as @fastify/swagger is to see it. */
function operationOf (method: string, schema: FastifySchema, special: { stream: Security, operators: Security }): FastifySchema {
  const { summary, description, tags, querystring, params, headers, body, produces, security } = schema
  const isStream = produces?.includes('text/event-stream') === true
  const response = schema.response ?? (produces === undefined ? undefined : isStream ? { 200: binary } : fileAnswers)
  return {
    ...schema,
    description: description ?? `${summary}.`,
    ...(security === undefined && isStream ? { security: special.stream } : {}),
    ...(security === undefined && isForOperators(tags) ? { security: special.operators } : {}),
    ...(querystring === undefined ? {} : { querystring: forDocument(querystring, true) }),
    ...(params === undefined ? {} : { params: forDocument(params, true) }),
    ...(headers === undefined ? {} : { headers: forDocument(headers, true) }),
    ...(body === undefined ? {} : { body: forDocument(body) }),
    ...(response === undefined ? {} : { response: forDocument(response) }),
    // Taken over as it is: see `finished`
    ...{ 'x-refusals': refusalResponses(method, schema, forDocument(ErrorAnswer)) }
  }
}

interface Document {
  paths: Record<string, Record<string, Operation>>
  components: object
}

interface Operation {
  requestBody?: { required: boolean, content: Record<string, { schema: object, example?: unknown, examples?: object }> }
  responses: Record<string, { description: string }>
  'x-refusals'?: Record<string, { description: string }>
}

/** Adds to the document what @fastify/swagger does not know. */
function finished (document: Document, maxTextLength: number): object {
  for (const operations of Object.values(document.paths)) for (const operation of Object.values(operations)) finish(operation)
  const events = Object.fromEntries(Object.entries(eventCatalogue).map(([type, schema]) => [type, forDocument(schema)]))
  const codes = Object.fromEntries(Object.entries(errorCatalogue).map(([code, [status, message]]) => [code, { status, message }]))
  const complete = { ...document, 'x-events': events, 'x-errors': { answer: forDocument(ErrorAnswer), codes } }
  const schemas = nameShapes(complete)
  limitTexts(schemas, maxTextLength)
  return { ...complete, components: { ...document.components, schemas } }
}

/** The schemas have the most that the text of a message can be set up to; the document has what it is. */
function limitTexts (node: unknown, maxTextLength: number): void {
  if (typeof node !== 'object' || node === null) return
  if ('maxLength' in node && node.maxLength === TEXT_LENGTH.most) node.maxLength = maxTextLength
  for (const each of Object.values(node)) limitTexts(each, maxTextLength)
}

function finish (operation: Operation): void {
  const { 'x-refusals': refusals, requestBody, responses } = operation
  delete operation['x-refusals']
  for (const [status, response] of Object.entries(responses)) {
    if (response.description === 'Default Response') response.description = STATUS_CODES[status] ?? 'Success'
  }
  operation.responses = { ...responses, ...refusals }
  if (requestBody === undefined) return
  for (const media of Object.values(requestBody.content)) {
    const examples = media.example === undefined ? examplesOf(media.schema) : [media.example]
    delete media.example
    if (examples.length > 0) media.examples = Object.fromEntries(examples.map((value, index) => [`example${index + 1}`, { value }]))
    // @fastify/swagger requires every body
    requestBody.required = !acceptsNull(media.schema)
  }
}

const acceptsNull = (schema: object): boolean =>
  'anyOf' in schema && (schema.anyOf as Array<{ type?: string }>).some(({ type }) => type === 'null')

export default fp(docsPlugin, { name: 'fastify-sse-chat-docs', fastify: '5.x' })
