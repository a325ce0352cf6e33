import * as common from '../../schemas/common.js'
import * as conversations from '../../schemas/conversations.js'
import * as errors from '../../schemas/errors.js'
import * as events from '../../schemas/events.js'
import * as files from '../../schemas/files.js'
import * as growing from '../../schemas/growing.js'
import * as messages from '../../schemas/messages.js'
import * as metadata from '../../schemas/metadata.js'
import * as search from '../../schemas/search.js'
import * as streams from '../../schemas/streams.js'
import * as users from '../../schemas/users.js'
import * as webhooks from '../../schemas/webhooks.js'

/** Shapes are named in the document as schemas/ exports them. A new file of schemas/ is added here. */
const modules = [common, conversations, errors, events, files, growing, messages, metadata, search, streams, users, webhooks]

type Json = Record<string, unknown>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

/** Objects, enumerations and unions get a name. A name for each string would hide what it is. */
const isShape = (value: unknown): value is Json => isObject(value) && (value.type === 'object' || 'enum' in value || 'oneOf' in value)

const shapes = new Map<string, Json>()
const names = new Map<object, string>()
for (const [name, value] of modules.flatMap(module => Object.entries(module))) if (isShape(value)) addShape(name, value)
for (const [type, schema] of Object.entries(events.eventCatalogue)) {
  if (!names.has(schema)) addShape(`${type.charAt(0).toUpperCase()}${type.slice(1)}Event`, schema)
}
addShape('LastEvent', events.followerEvents.conversationDeleted)

function addShape (name: string, schema: object): void {
  shapes.set(name, schema as Json)
  names.set(schema, name)
}

/** Stands for a named shape until the document is finished. @fastify/swagger resolves references, and does not know these. */
const PLACEHOLDER = 'x-shape'

/**
 * Copies a schema for the document: a named shape becomes a placeholder, unless it is the schema itself and `inline` is set, and patterns
 * become portable.
 */
export function forDocument (schema: unknown, inline = false): unknown {
  if (Array.isArray(schema)) return schema.map(each => forDocument(each))
  if (!isObject(schema)) return schema
  const name = names.get(schema)
  if (name !== undefined && !inline) return { [PLACEHOLDER]: name }
  return Object.fromEntries(Object.entries(schema).flatMap(([keyword, value]): Array<[string, unknown]> => {
    if (keyword === 'pattern' && typeof value === 'string') return portablePattern(value)
    return [[isDependencies(keyword, value) ? 'dependentRequired' : keyword, forDocument(value)]]
  }))
}

/** The validators' draft 7 has a name for it that draft 2020-12 gave up. */
const isDependencies = (keyword: string, value: unknown): boolean =>
  keyword === 'dependencies' && isObject(value) && Object.values(value).every(Array.isArray)

/**
 * Many generators compile patterns without the `u` flag. There, a class that names surrogates refuses every emoji, and `\p{…}` means something
 * else. So the document leaves the former out of a pattern, and a pattern with the latter out altogether: the server still checks them.
 */
function portablePattern (pattern: string): Array<[string, unknown]> {
  const portable = pattern.replaceAll('\\ud800-\\udfff', '')
  return /\\[pu]\{/.test(portable) ? [] : [['pattern', portable]]
}

/** The examples of a body, if it has any. */
export function examplesOf (schema: unknown): unknown[] {
  const name = isObject(schema) && schema[PLACEHOLDER]
  const shape = typeof name === 'string' ? shapes.get(name) : schema
  return isObject(shape) && Array.isArray(shape.examples) ? shape.examples : []
}

/** Replaces the placeholders below a value by references, and returns the shapes that they name, and those that these name. */
export function nameShapes (value: unknown): Record<string, unknown> {
  const named = new Map<string, unknown>()
  const visit = (node: unknown): void => {
    if (!isObject(node)) return
    const name = node[PLACEHOLDER]
    if (typeof name !== 'string') {
      for (const each of Object.values(node)) visit(each)
      return
    }
    delete node[PLACEHOLDER]
    node.$ref = `#/components/schemas/${name}`
    if (named.has(name)) return
    const shape = forDocument(shapes.get(name), true) as Json
    named.set(name, shape)
    visit(shape)
    mapDiscriminator(shape)
  }
  visit(value)
  return Object.fromEntries([...named].sort(([a], [b]) => a < b ? -1 : 1))
}

/** Without a mapping, the values of a discriminator would be the names of the shapes. The validators know no mapping. */
function mapDiscriminator (shape: Json): void {
  const { discriminator, oneOf } = shape as { discriminator?: { propertyName: string }, oneOf?: Array<{ $ref: string }> }
  if (discriminator === undefined || oneOf === undefined) return
  const mapping = oneOf.map(({ $ref }) => {
    const { properties } = shapes.get($ref.split('/').at(-1)!) as { properties: Record<string, { enum: string[] }> }
    return [properties[discriminator.propertyName]!.enum[0], $ref]
  })
  shape.discriminator = { ...discriminator, mapping: Object.fromEntries(mapping) }
}
