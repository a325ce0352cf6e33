/** A package that one option needs cannot be loaded. The message is one line. */
export class PackageError extends Error {
  override name = 'PackageError'
}

/**
 * Loads a package that only one option needs, so that an installation without it works for everybody else.
 * @throws {PackageError} when the package is absent, or has no binary for this platform
 */
export async function loadPackage<Module> (name: string, need: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load()
  } catch (error) {
    throw new PackageError(`${need} needs the package ${name}, which can't be loaded: ${reasonOf(error)}`, { cause: error })
  }
}

/** Messages of loaders run over many lines and list paths. */
function reasonOf (error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? (String(message ?? error).split(/[\n.]/)[0]!.trim() || 'unknown reason')
}
