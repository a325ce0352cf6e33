// Generates both Prisma clients, and the types of the models, into prisma/generated/. Does nothing when they are up to date; --force
// generates anyway.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { modelTypes } from './model-types.js'
import { composeSchema, providers, root } from './prisma.js'

const require = createRequire(import.meta.url)
const manifest = require.resolve('prisma/package.json')
const prisma = JSON.parse(await readFile(manifest, 'utf8'))
const cli = join(dirname(manifest), prisma.bin.prisma)
const directory = join(root, 'prisma', 'generated')

/** @param {(typeof providers)[number]} provider */
async function generate (provider) {
  // The client contains the schema as text, and has no use for the comments.
  const schema = (await composeSchema(provider)).replaceAll(/^ *\/\/.*\n/gm, '')
  const output = join(directory, provider)
  const stampFile = join(directory, `${provider}.stamp`)
  const stamp = createHash('sha256').update(prisma.version).update(schema).digest('hex')
  const [stamped] = await Promise.all([
    readFile(stampFile, 'utf8').catch(() => ''),
    readFile(join(output, 'client.ts')).catch(() => null)
  ]).then(([text, client]) => client === null ? [''] : [text])
  if (stamped === stamp && !process.argv.includes('--force')) return false

  await rm(stampFile, { force: true })
  await rm(output, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  const schemaFile = join(directory, `${provider}.prisma`)
  await writeFile(schemaFile, schema)
  await promisify(execFile)(process.execPath, [cli, 'generate', '--schema', schemaFile, '--no-hints'], {
    cwd: root,
    env: {
      ...process.env,
      CHECKPOINT_DISABLE: '1',
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      // Generating doesn't use the native schema engine; that a file is named keeps the CLI from downloading one.
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath
    }
  })
  await writeFile(stampFile, stamp)
  return true
}

try {
  const results = await Promise.all(providers.map(generate))
  const modelFile = join(directory, 'models.ts')
  const types = modelTypes(await readFile(join(root, 'prisma', 'models.prisma'), 'utf8'))
  if (await readFile(modelFile, 'utf8').catch(() => '') !== types) await writeFile(modelFile, types)
  console.log(results.includes(true) ? 'Prisma clients generated' : 'Prisma clients are up to date')
} catch (error) {
  console.error(error.stderr || error.message)
  process.exitCode = 1
}
