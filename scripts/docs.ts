// `npm run docs`: writes docs/reference.md, the client's list of events, and the table of events in README.md, from the
// catalogues that the server runs by; the tour of /api/llms.txt from README.md; and docs/llms.txt from the index of the documents. With
// --check it only tells whether they are up to date.

import { readFileSync, writeFileSync } from 'node:fs'
import type { TSchema } from 'typebox'
import { errorCatalogue } from '../schemas/errors.js'
import { durableEvents, ephemeralEvents, eventMeanings, streamEvents } from '../schemas/events.js'

const root = new URL('../', import.meta.url)

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

const overview = table(['event', 'when', 'kept'], Object.entries(eventMeanings).map(([type, meaning]) => [`\`${type}\``, meaning, type in durableEvents ? 'yes' : '']))

const reference = `# Reference

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

/** The client's own list: it takes types from schemas/, but no code. */
const eventNames = `import type { EventType } from '../../schemas/events.js'

/**
 * The events of the catalogue. An \`EventSource\` needs a listener for each name, and only these have callbacks: an event
 * named \`error\` must not call \`onError\`. Written by \`npm run docs\` from schemas/events.ts.
 */
export const eventNames: readonly EventType[] = [
${Object.keys(eventMeanings).map(name => `  '${name}'`).join(',\n')}
]
`

/** The README's tour, as the server shows it in plain text: its links lead to files that are not there. */
function tourText (): string {
  const section = readFileSync(new URL('README.md', root), 'utf8').split(/^## /m).find(part => part.startsWith('A tour with curl\n'))
  if (section === undefined) throw new Error('README.md lacks the section "A tour with curl"')
  return section.slice(section.indexOf('\n')).trim().replaceAll(/\[([^[\]]*)\]\([^()]*\)/g, '$1')
}

const escaped = (text: string): string => text.replaceAll(/[\\`]|\$(?=\{)/g, '\\$&')

const tour = `/** The README's tour with curl. Written by \`npm run docs\` from README.md. */
export const tour = \`${escaped(tourText())}
\`
`

/** The documents of docs/README.md, each with its first sentence, in the form of llmstxt.org. */
function documentList (): string {
  const { name, description, homepage } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as Record<string, string>
  const files = new URL('docs/', root)
  const rows = [...readFileSync(new URL('README.md', files), 'utf8').matchAll(/^\| ([a-z][^|]+) \| (\[.*) \|$/gm)]
  const sections = rows.map(([, purpose, documents]) => {
    const items = [...documents!.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => {
      const file = new URL(link!, files)
      const [title = '', first = ''] = readFileSync(file, 'utf8').split(/\n\n/).map(part => part.replaceAll('\n', ' ').replace(/^# /, ''))
      const sentence = /^[A-Z`].*?[.:](?= |$)/.exec(first.replaceAll(/\[([^[\]]*)\]\([^()]*\)/g, '$1'))?.[0]
      const address = `${homepage!.replace('#readme', '')}/blob/main/${file.href.slice(root.href.length)}`
      return `- [${title}](${address})${sentence === undefined ? '' : `: ${sentence.replace(/:$/, '.')}`}`
    })
    return `## To ${purpose!}\n\n${items.join('\n')}`
  })
  return `# ${name}\n\n> ${description}\n\nA running server has its own page for language models at /api/llms.txt, with a tour and all errors.\n\n${sections.join('\n\n')}\n`
}

/** The file with another text between the two markers of that name. */
function withPart (path: string, name: string, part: string): string {
  const [start, end] = [`<!-- ${name}: written by npm run docs -->`, `<!-- end of ${name} -->`]
  const before = readFileSync(new URL(path, root), 'utf8')
  const [from, to] = [before.indexOf(start), before.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`${path} lacks the markers of "${name}"`)
  return `${before.slice(0, from)}${start}\n${part}\n${before.slice(to)}`
}

const files = {
  'docs/reference.md': reference,
  'docs/llms.txt': documentList(),
  'client/stream/event-names.ts': eventNames,
  'plugins/openapi/tour.ts': tour,
  'README.md': withPart('README.md', 'events', overview)
}

for (const [path, text] of Object.entries(files)) {
  const file = new URL(path, root)
  if (!process.argv.includes('--check')) {
    writeFileSync(file, text)
  } else if (readFileSync(file, 'utf8') !== text) {
    console.error(`${path} is stale: run npm run docs`)
    process.exitCode = 1
  }
}
