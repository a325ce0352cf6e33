#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { CommandError, parseOptions, UsageError, type Command } from './commands/command.js'
import { ConfigError } from './config.js'
import { PackageError, versionOf } from './packages.js'

/** Loaded when they are called: a start must not wait for what it does not need. */
const commands: Record<string, () => Promise<Command>> = {
  start: async () => (await import('./commands/start.js')).start,
  migrate: async () => (await import('./commands/migrate.js')).migrate,
  token: async () => (await import('./commands/token.js')).token,
  doctor: async () => (await import('./commands/doctor.js')).doctor,
  reindex: async () => (await import('./commands/reindex.js')).reindex,
  'import-sqlite': async () => (await import('./commands/import-sqlite.js')).importSqlite
}

const PROGRAM = 'fastify-sse-chat'
const EXIT = { done: 0, failed: 1, usage: 2 }

async function main ([first, ...rest]: string[]): Promise<void> {
  if (first === '--version' || first === '-v') return print([versionOf()])
  if (first === '--help' || first === '-h' || first === 'help') return print(await overview())
  const name = first === undefined || first.startsWith('-') ? 'start' : first
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (load === undefined) throw new UsageError(`There is no command ${name}. See ${PROGRAM} --help`)
  const command = await load()
  const values = valuesOf(name, command, name === first ? rest : [first, ...rest].filter(each => each !== undefined))
  if (values.help === true) return print(helpOf(name, command))
  isJson = values.json === true
  const outcome = await command.run(values, process.env)
  if (outcome === undefined) return
  print(isJson ? [JSON.stringify(outcome.json)] : outcome.lines)
  process.exitCode = outcome.failed === true ? EXIT.failed : EXIT.done
}

let isJson = false

function valuesOf (name: string, command: Command, args: string[]): Record<string, string | boolean | undefined> {
  try {
    const options = { ...parseOptions(command), help: { type: 'boolean', short: 'h' }, json: { type: 'boolean' } } as const
    return parseArgs({ args, options, strict: true }).values as Record<string, string | boolean | undefined>
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]!}. See ${PROGRAM} ${name} --help`)
  }
}

async function overview (): Promise<string[]> {
  const names = Object.keys(commands)
  const width = Math.max(...names.map(name => name.length)) + 2
  const lines = await Promise.all(names.map(async name => `  ${name.padEnd(width)}${(await commands[name]!()).summary}`))
  return [
    `Usage: ${PROGRAM} [command] [options]`, '', ...lines, '',
    `${PROGRAM} <command> --help says more. All read the environment variables of the server (.env.example lists them).`,
    'Options of every command: --json prints one line of JSON. Exit codes: 0 done, 1 failed, 2 wrong usage.'
  ]
}

function helpOf (name: string, { summary, usage, options, details }: Command): string[] {
  const all = { ...options, json: { help: 'Print one line of JSON' }, help: { help: 'Print this' } }
  const width = Math.max(...Object.keys(all).map(option => option.length)) + 4
  return [
    `Usage: ${[PROGRAM, name, usage].filter(part => part !== '').join(' ')}`, '', `${summary}.`, ...details === undefined ? [] : [details], '',
    ...Object.entries(all).map(([option, { help }]) => `  --${option.padEnd(width)}${help}`)
  ]
}

function print (lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}

/** Failures that are expected are one line. */
const isExpected = (error: unknown): error is Error => error instanceof Error &&
  (error instanceof CommandError || error instanceof ConfigError || error instanceof PackageError ||
    ['DatabaseError', 'DatabaseVersionError', 'TransferError'].includes(error.name))

main(process.argv.slice(2)).catch((error: unknown) => {
  process.exitCode = error instanceof UsageError ? EXIT.usage : EXIT.failed
  const message = error instanceof UsageError || isExpected(error) ? error.message : String((error as Error).stack ?? error)
  if (isJson) print([JSON.stringify({ error: message })])
  else process.stderr.write(`${message}\n`)
})
