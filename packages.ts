import { createRequire } from 'node:module'

/** Returns the version of this package. */
export const versionOf = (): string => (createRequire(import.meta.url)('fastify-sse-chat/package.json') as { version: string }).version

/** A package that an option requires cannot be loaded. The message is one line. */
export class PackageError extends Error {
  override name = 'PackageError'
}

/**
 * Loads a package that only one option requires, so that an installation without it works as long as the option is not used. `remedy`
 * is a sentence that says what to do.
 * @throws {PackageError} when the package is absent, or has no binary for this platform
 */
export async function loadPackage<Module> (name: string, need: string, load: () => Promise<Module>, remedy?: string): Promise<Module> {
  try {
    return await load()
  } catch (error) {
    const advice = remedy === undefined ? '' : `. ${remedy}`
    throw new PackageError(`${need} needs the package ${name}, which can't be loaded: ${reasonOf(error)}${advice}`, { cause: error })
  }
}

/** Loaders' own messages span many lines and list paths. */
function reasonOf (error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? (String(message ?? error).split(/[\n.]/)[0]!.trim() || 'unknown reason')
}
