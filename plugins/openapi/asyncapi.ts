import { durableEvents, eventCatalogue, eventMeanings, followerEvents, type EventType } from '../../schemas/events.js'
import { forDocument, nameShapes } from './shapes.js'

const nameOf = (type: string): string => type.charAt(0).toUpperCase() + type.slice(1)

/** The AsyncAPI document: the event stream and webhooks, from the event catalogue. */
export function asyncApiOf (prefix: string): object {
  const message = (type: string, schema: unknown, headers?: object): object => ({
    name: type,
    title: type,
    summary: eventMeanings[type as EventType],
    contentType: 'application/json',
    ...(headers === undefined ? {} : { headers }),
    payload: forDocument(schema)
  })
  const id = { type: 'string', description: 'The `id:` field, sent as `Last-Event-ID` when the stream is opened again' }
  const streamed = Object.fromEntries(Object.entries(eventCatalogue).map(([type, schema]) =>
    [type, message(type, schema, type in durableEvents ? { type: 'object', required: ['id'], properties: { id } } : undefined)]))
  const sent = Object.fromEntries(Object.entries(followerEvents).map(([type, data]) => [`${type}Webhook`, message(type, {
    type: 'object',
    required: ['id', 'type', 'timestamp', 'data'],
    properties: { id: { type: 'string' }, type: { type: 'string', enum: [type] }, timestamp: { type: 'string', format: 'date-time' }, data }
  })]))
  const refs = (of: object, place: string): object => Object.fromEntries(Object.keys(of).map(name => [name, { $ref: `#/${place}/${name}` }]))
  const document = {
    asyncapi: '3.0.0',
    info: {
      title: 'fastify-sse-chat',
      version: '1',
      description: 'The events of a chat: on a stream of Server-Sent Events, and sent to webhooks. ' +
        'Clients ignore fields and events that they do not know.',
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' }
    },
    defaultContentType: 'application/json',
    channels: {
      stream: {
        address: `${prefix}/api/sse`,
        title: 'The event stream',
        description: 'Server-Sent Events: `event:` is the name of the message, `data:` its payload in one line. ' +
          '`/api/openapi.json` says how it is opened.',
        messages: refs(streamed, 'components/messages')
      },
      webhooks: {
        address: null,
        title: 'Webhooks',
        description: 'POST requests to the endpoints of operators, signed after Standard Webhooks.',
        messages: refs(sent, 'components/messages')
      }
    },
    operations: Object.fromEntries(Object.entries({ stream: streamed, webhooks: sent }).map(([channel, messages]) => [`send${nameOf(channel)}`, {
      action: 'send',
      channel: { $ref: `#/channels/${channel}` },
      messages: Object.keys(messages).map(name => ({ $ref: `#/channels/${channel}/messages/${name}` }))
    }])),
    components: { messages: { ...streamed, ...sent } }
  }
  return { ...document, components: { ...document.components, schemas: nameShapes(document) } }
}
