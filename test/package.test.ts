import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { SECRET } from './helper.js'
import { installPacked } from './packed.js'
import { requirePostgres, skipWithoutPostgres } from './postgres.js'

const root = new URL('../', import.meta.url)

/** The beginnings of blocks in documents that are not TypeScript. Every other block must compile. */
const OTHER_LANGUAGES = /^(npm |node |npx |curl |printf |json=|\w+=\$\(|token\(\) |[A-Z_]+=\S|UPDATE |SELECT |GRANT |sysctl |docker |git |apiVersion:|\{ "|\$ |GET |POST |PUT |[a-z]+ --)/

/** Names that samples may use without declaring them: a sample that is a fragment takes them from the surrounding text. */
const PRELUDE = `
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ChatAppOptions } from 'fastify-sse-chat'
import type { ChatClient, Message } from 'fastify-sse-chat/client'

interface HostTx {
  $executeRawUnsafe (sql: string): Promise<number>
  order: { create (args: { data: object }): Promise<{ id: number }> }
}

declare global {
  const prisma: { $transaction<T>(work: (tx: HostTx) => Promise<T>): Promise<T> }
  const data: object
  const client: ChatClient
  const message: Message
  const app: FastifyInstance
  const options: ChatAppOptions
  const conversationId: string
  const token: string
  const secret: string
  function yourSession (request: FastifyRequest): Promise<{ id: string, name: string } | undefined>
}
`

interface Sample { name: string, code: string }

/** The TypeScript blocks of a document: fenced as `ts`, `tsx`, `js` and so on, or indented by four spaces. */
function samplesOf (file: string): Sample[] {
  const blocks: Array<{ line: number, language: string, lines: string[] }> = []
  let open: typeof blocks[number] | undefined
  let fenced = false
  for (const [index, text] of readFileSync(new URL(file, root), 'utf8').split('\n').entries()) {
    const fence = /^```(\w*)/.exec(text)
    if (fence !== null) {
      fenced = !fenced
      if (fenced) blocks.push(open = { line: index + 1, language: fence[1]!, lines: [] })
      else open = undefined
    } else if (fenced) {
      open!.lines.push(text)
    } else if (text.startsWith('    ')) {
      if (open === undefined) blocks.push(open = { line: index + 1, language: '', lines: [] })
      open.lines.push(text.slice(4))
    } else if (text.trim() === '') {
      open?.lines.push('')
    } else {
      open = undefined
    }
  }
  return blocks
    .filter(({ language, lines }) => language === '' ? !OTHER_LANGUAGES.test(lines.find(line => !/^(#|$)/.test(line)) ?? 'npm ') : /^[jt]sx?$|^(java|type)script$/.test(language))
    .map(({ line, lines }) => ({ name: `${file}:${line}`, code: lines.join('\n') }))
}

/** The errors that TypeScript finds in the samples, checked as in a host's project. */
async function check (folder: string, module: string, moduleResolution: string): Promise<string> {
  const config = join(folder, `tsconfig.${module}.json`)
  writeFileSync(config, JSON.stringify({
    compilerOptions: { target: 'ES2022', lib: ['ES2023', 'DOM'], module, moduleResolution, jsx: 'react-jsx', types: ['node'], strict: true, noEmit: true, skipLibCheck: true },
    include: ['samples']
  }))
  return await new Promise(resolve => {
    execFile(process.execPath, [createRequire(import.meta.url).resolve('typescript/bin/tsc'), '-p', config, '--pretty', 'false'], { cwd: folder }, (_error, stdout) => { resolve(stdout) })
  })
}

const folder = await installPacked(t)

await t.test('every sample of the documents compiles against the package', async t => {
  const documents = ['README.md', ...readdirSync(new URL('docs', root)).filter(name => name.endsWith('.md')).map(name => `docs/${name}`)]
  const samples = documents.flatMap(samplesOf)
  t.ok(samples.length >= 9, `${samples.length} samples`)
  mkdirSync(join(folder, 'samples'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'samples', 'prelude.d.ts'), PRELUDE)
  const nameOf = ({ name }: Sample): string => `${name.replace(/[^\w]/g, '-')}.tsx`
  for (const sample of samples) writeFileSync(join(folder, 'samples', nameOf(sample)), `${sample.code}\nexport {}\n`)
  // Proves that the check would find a mistake.
  writeFileSync(join(folder, 'samples', 'wrong.ts'), "import { hubPlugin } from 'fastify-sse-chat'\nvoid app.register(hubPlugin, { heartbeatMs: 'soon' })\napp.chat.sendMessage('alice', { text: 7 })\napp.chatDatabase.prisma.user.deleteMany()\napp.chatDatabase.prisma.user.findMany({ where: { nme: 'x' } })\n")

  writeFileSync(join(folder, 'samples', 'decorators.ts'), `import { authPlugin, databasePlugin, type Bus, type Chat, type ChatEvents, type Database, type Hub, type Sink } from 'fastify-sse-chat'
export const chat: Chat = app.chat
export const hub: Hub<ChatEvents> = app.hub
export const database: Database = app.chatDatabase
export const bus: Bus = app.chatBus
app.get('/', async (request, reply) => {
  const sink: Sink = reply.openEventStream()
  return [sink, (await app.chatAuth.authenticate(request)).userId, (await app.chatCallers.authenticate(request, reply)).userId]
})
await app.register(authPlugin, { secret: token })
await app.register(databasePlugin, { url: 'file:x.db' })
`)

  const settings = [['NodeNext', 'NodeNext'], ['node20', 'node16'], ['ESNext', 'bundler']] as const
  const checked = await Promise.all(settings.map(async ([module, resolution]) => [module, await check(folder, module, resolution)] as const))
  for (const [resolution, complaints] of checked) {
    t.match(complaints, /wrong\.ts\(2,/, `${resolution}: a wrong option is found`)
    t.match(complaints, /wrong\.ts\(3,/, `${resolution}: a wrong argument is found`)
    t.match(complaints, /wrong\.ts\(4,/, `${resolution}: writing with Prisma's client is found`)
    t.match(complaints, /wrong\.ts\(5,/, `${resolution}: a field that a model has not is found`)
    for (const sample of samples) {
      const own = complaints.split('\n').filter(line => line.includes(nameOf(sample)))
      t.strictSame(own, [], `${resolution}: ${sample.name}`)
    }
    const others = complaints.split('\n').filter(line => line !== '' && !line.startsWith(' ') && !line.startsWith('samples/wrong.ts'))
    t.strictSame(others, [], `${resolution}: nothing else is wrong`)
  }
})

await t.test('nothing stands in the package that nobody needs', async t => {
  const files = readdirSync(join(folder, 'package'), { recursive: true, encoding: 'utf8' })
  t.strictSame(files.filter(file => file.endsWith('.map')), [])
  t.strictSame(files.filter(file => /generated\/.*\.d\.ts$/.test(file)), ['dist/prisma/generated/models.d.ts'], 'no types of the generated clients, which are 1.5 MB each')
  t.strictSame(files.filter(file => file.startsWith('dist/routes/') && file.endsWith('.d.ts')), [], 'no types that no export leads to')
  t.equal(files.filter(file => file.endsWith('init/migration.sql')).length, 2, 'migrations once for each database')
  t.ok(files.includes('prisma/models.prisma'))
})

await t.test('what has to be downloaded or compiled at the installation is optional', async t => {
  const { packages } = JSON.parse(readFileSync(new URL('package-lock.json', root), 'utf8')) as { packages: Record<string, Record<string, unknown>> }
  const required = Object.entries(packages).filter(([, { hasInstallScript, dev, optional, devOptional }]) =>
    hasInstallScript === true && dev !== true && optional !== true && devOptional !== true)
  // Its own script is `prepare`, which does not run for the registry's package.
  t.strictSame(required.map(([name]) => name).filter(name => name !== ''), [])
})

/** Packages that fail to load, as if they were not installed. `unbuilt` is better-sqlite3 without its binary. */
const HOOKS = `
import Module, { register } from 'node:module'
const absent = process.env.ABSENT.split(',')
const isAbsent = name => absent.some(each => name === each || name.startsWith(each + '/'))
const failure = name => Object.assign(new Error("Cannot find package '" + name + "'\\nimported from somewhere"), { code: 'ERR_MODULE_NOT_FOUND' })
const resolveFilename = Module._resolveFilename
Module._resolveFilename = function (name, ...rest) {
  if (isAbsent(name)) throw failure(name)
  return resolveFilename.call(this, name, ...rest)
}
register('data:text/javascript,' + encodeURIComponent(\`
  const isAbsent = \${isAbsent.toString().replace('absent.some', JSON.stringify(absent) + '.some')}
  const failure = \${failure.toString()}
  const unbuilt = "data:text/javascript,export default class { constructor () { throw new Error('Could not locate the bindings file. Tried:%5Cn one, two') } }"
  export async function resolve (name, context, next) {
    if (name === 'better-sqlite3' && isAbsent('unbuilt')) return { url: unbuilt, shortCircuit: true }
    if (isAbsent(name)) throw failure(name)
    return await next(name, context)
  }
\`))
`

/** Starts an app with each of these options without some packages, and returns its readiness. */
const HOST = `
import Fastify from 'fastify'
import chat from 'fastify-sse-chat'
const outcomes = []
for (const options of JSON.parse(process.env.OPTIONS)) {
  const app = Fastify()
  try {
    await app.register(chat, { jwt: { secret: process.env.SECRET }, health: true, ...options })
    outcomes.push((await app.inject('/health/ready')).json().status)
  } catch (error) {
    outcomes.push(error.name + ': ' + error.message)
  }
  await app.close()
}
console.log(JSON.stringify(outcomes))
`

await t.test('drivers are loaded where an option needs them, and one that is absent is one line', async t => {
  writeFileSync(join(folder, 'hooks.mjs'), HOOKS)
  writeFileSync(join(folder, 'host.mjs'), HOST)
  const node = async (
    file: string, absent: string[], env: Record<string, string>
  ): Promise<{ code: number, stdout: string, stderr: string }> => await new Promise(resolve => {
    execFile(process.execPath, ['--import', './hooks.mjs', file], { cwd: folder, env: { PATH: process.env.PATH, ABSENT: absent.join(','), ...env } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
  const host = async (absent: string[], ...options: object[]): Promise<string[]> => {
    const { stdout, stderr } = await node('host.mjs', absent, { OPTIONS: JSON.stringify(options), SECRET })
    t.equal(stderr, '')
    return JSON.parse(stdout) as string[]
  }
  const absence = (need: string, name: string, reason = 'ERR_MODULE_NOT_FOUND'): string => `PackageError: ${need} needs the package ${name}, which can't be loaded: ${reason}`
  const remedy = '. Its install script has to download a binary or compile it; a PostgreSQL database needs none'
  const sqlite = { databaseUrl: 'file:chat.db' }
  const others = ['ioredis', 'argon2', '@node-rs/argon2', 'jose']

  const [ready, ...refused] = await host([...others, 'pg', '@prisma/adapter-pg'], sqlite, { databaseUrl: 'postgres://postgres:pass-word@127.0.0.1:1/x' },
    { ...sqlite, redisUrl: 'redis://:pass-word@127.0.0.1:1' }, { ...sqlite, accounts: true })
  t.equal(ready, 'ready', 'SQLite needs none of the others')
  t.strictSame(refused, [absence('A PostgreSQL database', 'pg'), absence('The option redisUrl (REDIS_URL)', 'ioredis'), absence('The option accounts (ACCOUNTS)', '@node-rs/argon2')])
  t.strictSame(await host(['unbuilt'], sqlite), [absence('A SQLite database', 'better-sqlite3', 'Could not locate the bindings file') + remedy], 'an install script that didn\'t run')

  await t.test('PostgreSQL needs none of the others', { skip: await skipWithoutPostgres() }, async t => {
    const databaseUrl = await requirePostgres()
    const databaseSchema = `test_${randomBytes(6).toString('hex')}`
    t.teardown(async () => {
      const client = new pg.Client({ connectionString: databaseUrl })
      await client.connect()
      await client.query(`DROP SCHEMA IF EXISTS ${databaseSchema} CASCADE`)
      await client.end()
    })
    t.strictSame(await host([...others, 'better-sqlite3', '@prisma/adapter-better-sqlite3'], { databaseUrl, databaseSchema }, sqlite), ['ready', absence('A SQLite database', 'better-sqlite3') + remedy])
  })

  const server = await node('node_modules/fastify-sse-chat/dist/server.js', ['@node-rs/argon2'], { DATABASE_URL: 'file:chat.db', PORT: '0', PAGE: 'off', JWT_SECRET: SECRET })
  t.equal(server.code, 1)
  t.equal(server.stderr.trim().split('\n').filter(line => !line.startsWith('{')).length, 1, server.stderr)
  t.match(server.stderr, /^The option accounts \(ACCOUNTS\) needs the package @node-rs\/argon2/m)
})
