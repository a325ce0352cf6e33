// `npm run docs`: writes docs/reference.md from the catalogues that the server runs by. With --check it only tells
// whether that file is up to date.

import { readFileSync, writeFileSync } from 'node:fs'
import type { TSchema } from 'typebox'
import { errorCatalogue } from '../schemas/errors.js'
import { durableEvents, ephemeralEvents, streamEvents } from '../schemas/events.js'

const file = new URL('../docs/reference.md', import.meta.url)

function table (head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

function shapeOf (schema: TSchema): string {
  const { type, anyOf, enum: values, items } = schema as { type?: string, anyOf?: TSchema[], enum?: string[], items?: TSchema }
  if (values !== undefined) return values.map(value => `"${value}"`).join(' \\| ')
  if (anyOf !== undefined) return anyOf.map(shapeOf).join(' \\| ')
  if (type === 'array' && items !== undefined) return `${shapeOf(items)}[]`
  return type ?? 'any'
}

function events (catalogue: Record<string, TSchema>): string {
  return Object.entries(catalogue).map(([name, schema]) => {
    const properties = (schema as { properties?: Record<string, TSchema> }).properties ?? {}
    const rows = Object.entries(properties).map(([field, shape]) =>
      [`\`${field}\``, shapeOf(shape), (shape as { description?: string }).description ?? ''])
    return `#### ${name}\n\n${table(['field', 'type', ''], rows)}`
  }).join('\n\n')
}

const text = `# Reference

Written by \`npm run docs\` from schemas/: change it there.

## Errors

Every refusal is \`{ statusCode, code, error, message }\`; \`code\` is stable.

${table(['code', 'status', 'says'], Object.entries(errorCatalogue).map(([code, [status, message]]) => [`\`${code}\``, String(status), message]))}

## Events

### With an id: kept in the log and replayed

${events(durableEvents)}

### Without an id: told to who is there

${events(ephemeralEvents)}

### About the stream

${events(streamEvents)}
`

if (!process.argv.includes('--check')) {
  writeFileSync(file, text)
} else if (readFileSync(file, 'utf8') !== text) {
  console.error('docs/reference.md is stale: run npm run docs')
  process.exitCode = 1
}
