import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import { ChatError } from '../../client/index.js'
import { de as pageDe } from '../../web/strings/de.js'
import { en as pageEn } from '../../web/strings/en.js'
import { de } from '../../web/ui/strings/de.js'
import { en as enAtOnce } from '../../web/ui/strings/en.js'
import { enDialogs } from '../../web/ui/strings/en-dialogs.js'
import { createWords, loadDialogTexts, loadWords } from '../../web/ui/words.js'

const en = { ...enAtOnce, ...enDialogs }
const web = fileURLToPath(new URL('../../web/', import.meta.url))
const sources = readdirSync(web, { recursive: true, encoding: 'utf8' }).filter((name) => /\.tsx?$/.test(name) && !name.includes('strings'))

/** Attributes that people see or hear. */
const told = /^(aria-label|title|placeholder|alt|label|hint|text|action|aria-description|aria-roledescription|aria-valuetext)$/
/** A word, or the name of the product, which has no translation. */
const word = /\p{L}{2}/u
const names = new Set(['fastify-sse-chat', 'GET /api/sse', '@all', 'https://'])
/** A sentence, or the beginning of one, which no identifier looks like. */
const sentence = /^\p{Lu}[\p{L}’']*[ …]\p{L}*|\p{L} \p{L}+[.…?]$/u

/** The texts of a file that are not from the table, each with its line. */
function textsIn (name: string, source = readFileSync(join(web, name), 'utf8')): string[] {
  const file = ts.createSourceFile(name, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX)
  const found: string[] = []
  const add = (node: ts.Node, text: string) => {
    if (!names.has(text.trim())) found.push(`${name}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${text.trim()}`)
  }
  const isText = (node: ts.Node): node is ts.StringLiteralLike | ts.TemplateHead => ts.isStringLiteralLike(node) || ts.isTemplateHead(node)

  function visit (node: ts.Node, shown: boolean): void {
    if (ts.isImportDeclaration(node) || ts.isThrowStatement(node)) return
    if (ts.isJsxElement(node) && ['pre', 'code'].includes(node.openingElement.tagName.getText())) return // What goes over the wire has no language
    if (ts.isJsxText(node) && word.test(node.text)) add(node, node.text)
    else if (isText(node) && word.test(node.text) && (shown || sentence.test(node.text))) add(node, node.text)
    let within = shown
    if (ts.isJsxAttribute(node)) within = told.test(node.name.getText())
    else if (ts.isJsxExpression(node) && !ts.isJsxAttribute(node.parent)) within = true
    else if (ts.isCallExpression(node) || ts.isJsxElement(node) || ts.isJsxSelfClosingElement(node) || ts.isBinaryExpression(node)) within = false
    ts.forEachChild(node, (child) => { visit(child, within) })
  }
  visit(file, false)
  return found
}

t.test('no text stands outside of the table of strings', async (t) => {
  t.ok(sources.length > 20, `${sources.length} files`)
  t.strictSame(sources.flatMap((name) => textsIn(name)), [])
  // eslint-disable-next-line no-template-curly-in-string
  const templates = ['<p aria-label={`Hello ${name}`} />', 'const label = `Message to ${title}`']
  for (const planted of [
    ...templates,
    '<p>Hello</p>', '<p title="Hello" />', '<p>{own ? "Hello" : words.hello}</p>', 'setProblem("Not sent yet")'
  ]) t.equal(textsIn('planted.tsx', planted).length, 1, planted)
  for (const other of ['<p class="is-big" data-key="a" />', 'event.key === "Enter"', '<p>{words.hello}, {name}</p>', 'style("a b")']) t.strictSame(textsIn('other.tsx', other), [])
})

t.test('every string is used, and each language has its own', async (t) => {
  const all = sources.map((name) => readFileSync(join(web, name), 'utf8')).join('\n')
  const codes = readFileSync(join(web, '../schemas/errors.ts'), 'utf8') + readFileSync(join(web, '../client/base/errors.ts'), 'utf8')
  for (const key of [...Object.keys(en), ...Object.keys(pageEn)]) {
    const used = /^[A-Z_]+$/.test(key) ? codes.includes(key) : new RegExp(`\\.${key}\\b|'${key}'`).test(all)
    t.ok(used, key)
  }
  t.strictSame(Object.keys(de).sort(), Object.keys(en).sort())
  t.strictSame(Object.keys(pageDe).sort(), Object.keys(pageEn).sort())
  t.strictSame(Object.keys(pageEn).filter((key) => key in en), [], 'the page replaces no text of the parts')
})

/** The files of the page and the elements that are loaded at once. */
function atOnce (): string[] {
  const found = new Set(['main.tsx', 'element/index.ts'])
  for (const name of found) {
    for (const [, path] of readFileSync(join(web, name), 'utf8').matchAll(/^(?:import|export) (?!type ).*?'(\..+)\.js'$/gm)) {
      const source = ['.ts', '.tsx'].map((ending) => join(dirname(name), path + ending)).find((one) => existsSync(join(web, one)))
      if (source !== undefined && !source.startsWith('..')) found.add(source)
    }
  }
  return [...found].filter((name) => sources.includes(name))
}

t.test('what is loaded at once uses no text that is loaded with dialogs', async (t) => {
  t.ok(atOnce().includes('ui/message-log.tsx') && !atOnce().includes('ui/members.tsx'))
  for (const name of atOnce()) {
    const source = readFileSync(join(web, name), 'utf8')
    t.strictSame(Object.keys(enDialogs).filter((key) => new RegExp(`\\bwords\\.${key}\\b`).test(source)), [], name)
  }
  t.equal(await loadWords('en').then(async (words) => {
    await loadDialogTexts()
    return words.reactWith('👍')
  }), 'React with 👍')
})

t.test('what a host refuses is said with its reason', async (t) => {
  const words = createWords('en')
  t.equal(words.sentenceOf(new ChatError('REFUSED', 'Only on weekdays', { statusCode: 403 })), 'This isn’t allowed here: Only on weekdays')
  t.equal(words.sentenceOf(new ChatError('BLOCKED', 'One of you has blocked the other', { statusCode: 403 })), words.BLOCKED)
})

t.test('a language that the browser names wrongly, or that has no table, is English', async (t) => {
  for (const tag of ['C', 'en-US@posix', '', 'x', 'fr', 'zz-ZZ', 'en_GB']) {
    const words = await loadWords(tag)
    t.equal(words.language, 'en', tag)
    t.type(words.timeOfDay('2026-01-15T10:30:00.000Z'), 'string')
  }
  t.match(await loadWords('de-AT'), { language: 'de', send: 'Senden' })
})

t.test('a name that writes in another direction is isolated within a sentence', async (t) => {
  const words = createWords('en')
  t.equal(words.joined('Bob'), 'Bob joined', 'others stay as they are')
  t.equal(words.joined('\u202eyob'), '\u2068yob\u2069 joined')
  t.equal(words.joined('محمد'), '\u2068محمد\u2069 joined')
  t.equal(words.joined('a\u2069\u202eb'), '\u2068ab\u2069 joined', 'closed early')
  t.equal(words.isTyping(words.listNames(['\u202ea', 'Bob', 'c', 'd']), 4), '\u2068a\u2069, Bob and 2 others are typing…')
  t.equal((await loadWords('de')).listNames(['a', 'b', 'c']), 'a, b und c')
})
