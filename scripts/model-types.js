// Makes the types that `PrismaReader` (store/reader.ts) is built from: the fields, relations and unique keys of each model. Prisma generates
// types, too, but a hundred times as many, most of them for writing.

/** @type {Record<string, string>} */
const scalars = { String: 'string', Int: 'number', BigInt: 'bigint', Boolean: 'boolean' }

/** @param {string} name */
const uncapitalized = name => name.charAt(0).toLowerCase() + name.slice(1)

/** @typedef {{ name: string, type: string, list: boolean, optional: boolean, comment: string[] }} Field */

/**
 * @param {string} body the lines of a model
 * @returns {{ fields: Field[], unique: string[][] }}
 */
function readModel (body) {
  /** @type {Field[]} */
  const fields = []
  /** @type {string[][]} */
  const unique = []
  /** @type {string[]} */
  let comment = []
  for (const line of body.split('\n').map(line => line.trim())) {
    const said = /^\/\/\/ ?(.*)/.exec(line)
    const field = /^(\w+)\s+(\w+)(\[\])?(\?)?(.*)/.exec(line)
    const keys = /^@@(?:id|unique)\(\[([^\]]+)\]/.exec(line)
    if (said !== null) {
      comment.push(String(said[1]))
    } else if (field !== null) {
      const [, name = '', type = '', list, optional, rest = ''] = field
      fields.push({ name, type, list: list !== undefined, optional: optional !== undefined, comment })
      if (/@(?:id|unique)\b/.test(rest)) unique.push([name])
      comment = []
    } else if (keys !== null) {
      unique.push(String(keys[1]).split(',').map(name => name.trim()))
    }
  }
  return { fields, unique }
}

/**
 * @param {string} schema
 * @returns the text of a TypeScript file
 */
export function modelTypes (schema) {
  /** @type {string[]} */
  const lines = ['// Made from prisma/models.prisma by `npm run generate`.', '']
  const models = [...schema.matchAll(/((?:^\/\/\/[^\n]*\n)*)^model (\w+) \{\n(.*?)^\}/gms)]
  for (const [, about = '', model = '', body = ''] of models) {
    const { fields, unique } = readModel(body)
    const columns = fields.filter(({ type }) => type in scalars)
    const typeOf = (/** @type {string} */ name) => scalars[columns.find(field => field.name === name)?.type ?? '']
    lines.push(...comments(about.split('\n').filter(line => line !== '').map(line => line.replace(/^\/\/\/ ?/, '')), ''))
    lines.push(`export interface ${model} {`, `  name: '${model}'`, '  scalars: {')
    for (const { name, type, optional, comment } of columns) {
      lines.push(...comments(comment, '    '), `    ${name}: ${scalars[type]}${optional ? ' | null' : ''}`)
    }
    lines.push('  }', '  objects: {')
    for (const { name, type, list, optional } of fields) {
      if (!(type in scalars)) lines.push(`    ${name}: ${type}${list ? '[]' : ''}${optional ? ' | null' : ''}`)
    }
    lines.push('  }', '  composites: {}', '  unique: {')
    for (const names of unique) {
      const types = names.map(name => `${name}: ${typeOf(name)}`)
      lines.push(names.length === 1 ? `    ${types[0]}` : `    ${names.join('_')}: { ${types.join(', ')} }`)
    }
    lines.push('  }', '}', '')
  }
  lines.push('export interface Models {', ...models.map(([, , model = '']) => `  ${uncapitalized(model)}: ${model}`), '}', '')
  return lines.join('\n')
}

/** @param {string[]} text @param {string} indent */
const comments = (text, indent) => text.length === 0 ? [] : text.length === 1 ? [`${indent}/** ${text[0]} */`] : [`${indent}/**`, ...text.map(line => `${indent} * ${line}`), `${indent} */`]
