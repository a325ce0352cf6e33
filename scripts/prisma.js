// What the scripts that handle Prisma share: where things are, and the composed schemas.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** The databases the models are generated for; a datasource's provider is a literal, so each has a schema of its own. */
export const providers = /** @type {const} */ (['sqlite', 'postgresql'])

/**
 * The whole Prisma schema of one provider: its head, then the shared models.
 * @param {'sqlite' | 'postgresql'} provider
 */
export async function composeSchema (provider) {
  const parts = await Promise.all([`prisma/${provider}/head.prisma`, 'prisma/models.prisma']
    .map((path) => readFile(new URL(`../${path}`, import.meta.url), 'utf8')))
  return parts.join('\n')
}
