import type { ParseArgsConfig } from 'node:util'

export interface Command {
  /** One line, for the list of commands. */
  summary: string
  /** What stands after the command's name. */
  usage: string
  /** The options, each with a line of help. `--help` and `--json` are those of every command. */
  options: Record<string, { type: 'string' | 'boolean', help: string }>
  /** More for the command's own help: what it does that its summary does not say. */
  details?: string
  /**
   * Does the work. @returns the lines for people, and what `--json` prints instead
   * @throws {UsageError} when the options make no sense
   */
  run (values: Record<string, string | boolean | undefined>, env: NodeJS.ProcessEnv): Promise<Outcome | undefined>
}

export interface Outcome {
  lines: string[]
  json: unknown
  /** The work was done, and what it found is not good. */
  failed?: boolean
}

/** The command was called in a way that it does not know: exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** The command could not do its work. The message is one line without secrets. */
export class CommandError extends Error {
  override name = 'CommandError'
}

export function parseOptions ({ options }: Command): NonNullable<ParseArgsConfig['options']> {
  return Object.fromEntries(Object.entries(options).map(([name, { type }]) => [name, { type }]))
}

/** The value of an option that has to be there. @throws {UsageError} */
export function required (values: Record<string, string | boolean | undefined>, name: string): string {
  const value = values[name]
  if (typeof value !== 'string' || value === '') throw new UsageError(`--${name} is required`)
  return value
}
