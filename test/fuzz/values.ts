import type { Rng } from '../chaos/rng.js'
import type { Schema } from './routes.js'

/** Ids and similar values of the world that is fuzzed, by the name of the field or parameter. */
export type Pools = Record<string, readonly string[]>

/** Takes the place of a field that the body lacks. */
export const MISSING = Symbol('missing')

/** Characters for texts: one to four bytes long, combining, right to left, and such as confuse parsers and databases. */
const LETTERS = ['a', 'Z', '7', ' ', 'é', 'é', '語', '😀', '👨‍👩‍👧', '\u202e', '\u200b', '\u2028', '\u0085', '\n', '\t', '"', '\\', '/', '<', '%', '_', '\u0301']

/** Values that no field is meant for. */
export const HOSTILE: readonly unknown[] = [
  null, true, false, 0, -0, -1, 1, 0.5, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 1e308, -1e308, 5e-324,
  '', ' ', '  x  ', '.', '..', '../..', '0', '-1', '1e3', 'true', 'null', 'NaN', 'Infinity', '[object Object]', 'undefined',
  '\u0000', 'a\u0000b', '\u0001', '\u001b[31m', '\u007f', '\u0085', '\u00a0', '\ufeff', '\ufffe', '\uffff', '\u2028', '\u202e', '\u200b', '\u3164',
  '\ud800', '\udc00', 'x\udfff', '\ud83d', '😀', '😀'.repeat(4000), '👨‍👩‍👧‍👦'.repeat(50), 'é'.repeat(200), 'Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢',
  'x'.repeat(65), 'x'.repeat(129), 'x'.repeat(301), 'x'.repeat(4001), ' '.repeat(4000), 'x'.repeat(60_000),
  "'", '"', '`', "'; DROP TABLE chat_messages; --", '#{7*7}', '{{7*7}}', '%', '%00', '%s%n', '\\', '\\u0000', '$1', '<script>', '/*', '-- ',
  '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', 'then', 'length',
  'conv_a_b', 'group', 'direct', 'owner', 'admin', 'read', 'delivered', 'sent', 'text', 'me', 'all',
  '1970-01-01T00:00:00.000Z', '275761-01-01', 'http://[', 'javascript:alert(1)', 'a,b', 'a;b', 'a=b', 'a&b', 'a?b#c',
  [], [null], [[]], ['a', 'a'], [1, 'a', null], {}, { length: 3 }, { $ne: null }, { toString: 'x' }, { id: 'x' }
]

/** A value that the schema accepts. Texts with known names come from the pools. */
export function valid (schema: Schema, name: string, pools: Pools, rng: Rng): unknown {
  const pool = pools[name]
  const kind = kindOf(schema, rng)
  if (pool !== undefined && pool.length > 0 && kind === 'string' && rng.chance(0.9)) return rng.pick(pool)
  if (schema.enum !== undefined) return rng.pick(schema.enum)
  if (schema.const !== undefined) return schema.const
  const choices = schema.anyOf ?? schema.oneOf
  // Those of an object only say which properties it must have.
  if (choices !== undefined && choices.length > 0 && kind !== 'object') return valid(rng.pick(choices), name, pools, rng)
  switch (kind) {
    case 'string': return text(schema, rng)
    case 'integer': return rng.integer(schema.minimum ?? 0, Math.min(schema.maximum ?? 40, 40))
    case 'number': return rng.between(schema.minimum ?? 0, schema.maximum ?? 100)
    case 'boolean': return rng.chance(0.5)
    case 'array': return Array.from({ length: Math.max(schema.minItems ?? 0, rng.integer(0, 3)) }, () => valid(schema.items ?? {}, name, pools, rng))
    case 'object': return Object.fromEntries(Object.entries(schema.properties ?? {})
      .filter(([key]) => schema.required?.includes(key) === true || rng.chance(0.7))
      .map(([key, property]) => [key, valid(property, key, pools, rng)]))
    default: return null
  }
}

function kindOf ({ type, properties, items }: Schema, rng: Rng): string | undefined {
  if (Array.isArray(type)) return rng.pick(type)
  return type ?? (properties !== undefined ? 'object' : items !== undefined ? 'array' : undefined)
}

function text ({ minLength = 0, maxLength = 60, pattern }: Schema, rng: Rng): string {
  const fits = pattern === undefined ? /./s : new RegExp(pattern, 'u')
  const length = rng.integer(Math.max(minLength, 1), Math.max(minLength, Math.min(maxLength, rng.chance(0.05) ? 4000 : 40)))
  const sample = Array.from({ length }, () => rng.pick(LETTERS)).join('')
  const short = [...sample].slice(0, maxLength).join('')
  return [short, short.replaceAll(/[^a-z0-9]/gi, 'x'), 'x'.repeat(Math.max(minLength, 1))].find(candidate => fits.test(candidate)) ?? 'x'
}

/** A value close to one that the schema accepts: at its limits or one beyond, of another type, or absent. */
export function nearlyValid (schema: Schema, value: unknown, rng: Rng): unknown {
  const { minLength, maxLength, minimum, maximum } = bounds(schema)
  const edges: unknown[] = [MISSING, null, [value], { value }, String(value), typeof value === 'string' ? value.toUpperCase() : value]
  for (const limit of [minLength, maxLength]) {
    if (limit === undefined || limit > 10_000) continue
    const unit = rng.pick(['x', '😀', 'é', ' '])
    for (const length of [limit - 1, limit, limit + 1]) edges.push(unit.repeat(Math.max(length, 0)))
  }
  for (const limit of [minimum, maximum]) {
    if (limit === undefined) continue
    edges.push(limit - 1, limit, limit + 1, limit + 0.5, String(limit), -limit)
  }
  if (typeof value === 'number') edges.push(-value, value + 0.5, value * 2 ** 31, `${value}`)
  if (typeof value === 'boolean') edges.push(!value, Number(value), value ? 'true' : 'false')
  if (Array.isArray(value)) edges.push([...value, ...value], [...value, null], value[0], Array.from({ length: rng.pick([999, 1000, 1001]) }, (_, index) => `nobody${index}`))
  return rng.pick(edges)
}

/** The limits of a schema, or of the first of its alternatives. */
function bounds (schema: Schema): Schema {
  return (schema.anyOf ?? schema.oneOf ?? [schema])[0] ?? schema
}

/** JSON text as an untested program would write it: invalid, or valid and strange. */
export function strangeJson (value: unknown, rng: Rng): Buffer {
  const json = JSON.stringify(value) ?? 'null'
  const inside = json.startsWith('{') ? json.slice(1, -1) : `"x":${json}`
  const [key = 'x'] = typeof value === 'object' && value !== null ? Object.keys(value) : []
  const depth = rng.pick([50, 1000, 20_000])
  const texts = [
    `{${inside},${JSON.stringify(key)}:${JSON.stringify(rng.pick(HOSTILE))}}`, `{${JSON.stringify(key)}:1,${inside}}`,
    `{"__proto__":{"isAdmin":true},${inside}}`, `{"constructor":{"prototype":{"x":1}},${inside}}`, `{"\\u005f_proto__":1,${inside}}`, `{"x":[{"__proto__":null}],${inside}}`,
    json.slice(0, -1), json.slice(1), `${json}${json}`, `${json},`, `\ufeff${json}`, ` \r\n\t${json}\n `, `${json}\u0000`, `/* */${json}`, json.replaceAll('"', "'"),
    json.replace(/:("[^"]*"|\d+)/, ':NaN'), json.replace(/:("[^"]*"|\d+)/, ':1e400'), json.replace(/:("[^"]*"|\d+)/, ':-0'), json.replace(/:("[^"]*"|\d+)/, ':01'),
    json.replace(/:("[^"]*"|\d+)/, ':"\\ud800"'), json.replace(/:("[^"]*"|\d+)/, ':"\\u0000"'), json.replace(/:("[^"]*"|\d+)/, ':"\\x41"'), json.replace(/:"/, ':"\u0001\n'),
    `{${inside},"deep":${'['.repeat(depth)}${']'.repeat(depth)}}`, `{${inside},"deep":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`, '['.repeat(depth), '{"a":'.repeat(depth),
    `{${inside},"n":${'9'.repeat(depth)}}`, `{${inside},${Array.from({ length: 1000 }, (_, index) => `"k${index}":${index}`).join()}}`,
    'null', 'true', '7', '"x"', '[]', '{}', '', ' ', 'undefined', '<x/>', 'a=b&c=d'
  ]
  const chosen = rng.pick(texts)
  const encoding = rng.weighted({ utf8: 20, utf16le: 1, latin1: 1, invalid: 2, padded: 1 })
  if (encoding === 'padded') return Buffer.from(chosen.replace(/}$/, `,"padding":"${'p'.repeat(Math.max(0, 65_536 - Buffer.byteLength(chosen) - 13 + rng.integer(-1, 1)))}"}`))
  if (encoding === 'invalid') {
    const bytes = Buffer.from(chosen)
    return Buffer.concat([
      bytes.subarray(0, bytes.length >> 1),
      Buffer.from(rng.pick([[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x00]])),
      bytes.subarray(bytes.length >> 1)
    ])
  }
  return Buffer.from(chosen, encoding)
}

const LONE_SURROGATES = /[\ud800-\udfff]/gu

/** A value as part of a path or query, percent-encoded correctly or not. */
export function inUrl (value: unknown, rng: Rng): string {
  const plain = typeof value === 'string' ? value : JSON.stringify(value) ?? ''
  const short = [...plain].slice(0, rng.chance(0.05) ? 5000 : 400).join('')
  const encoded = encodeURIComponent(short.replaceAll(LONE_SURROGATES, ''))
  if (short.search(LONE_SURROGATES) !== -1 && rng.chance(0.8)) return `${encoded}%ED%A0%80`
  return rng.chance(0.05) ? breakEscapes(encoded, rng) : encoded
}

function breakEscapes (encoded: string, rng: Rng): string {
  const at = rng.integer(0, encoded.length)
  const odd = rng.pick(['%', '%z', '%zz', '%0', '%00', '%FF', '%C3%28', '%ED%A0%80', '%F5%80%80%80', '%u0041', '%2e', '%2F', '%5c', '%25', '+', ';', '\\', '|', '\u00e9', '\u00ff', '\'', '"', '<', '^', '`', '{'])
  return encoded.slice(0, at) + odd + encoded.slice(at)
}
