import { chatError } from '../errors.js'
import { METADATA_KEY_MAX, METADATA_MAX_BYTES, METADATA_MAX_LEVELS } from '../schemas/metadata.js'
import { invalid } from './validation.js'

/**
 * Returns a host's metadata as JSON text, as it is stored; null stays null.
 * @throws METADATA_TOO_LARGE, VALIDATION_FAILED
 */
export function metadataText (value: Record<string, unknown> | null): string | null {
  if (value === null) return null
  const text = jsonOf(value)
  if (Buffer.byteLength(text) > METADATA_MAX_BYTES) throw chatError('METADATA_TOO_LARGE')
  // In process, a value may become another one as JSON, such as a Date.
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw invalid('metadata must be object')
  check(parsed, 1)
  return text
}

function jsonOf (value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null'
  } catch (error) {
    // The stack is too small for the nesting.
    if (error instanceof RangeError) throw chatError('METADATA_TOO_LARGE')
    throw invalid('metadata must be JSON')
  }
}

function check (value: unknown, level: number): void {
  if (typeof value === 'string') return checkText(value)
  if (typeof value !== 'object' || value === null) return
  if (level > METADATA_MAX_LEVELS) throw chatError('METADATA_TOO_LARGE')
  if (Array.isArray(value)) {
    for (const item of value) check(item, level + 1)
    return
  }
  for (const [key, item] of Object.entries(value)) {
    checkText(key)
    const length = Array.from(key).length
    if (length < 1 || length > METADATA_KEY_MAX) throw invalid(`metadata must have keys of 1 to ${METADATA_KEY_MAX} characters`)
    // What merges such a value into an object without care changes the prototype of all objects.
    if (key === '__proto__' || (key === 'constructor' && typeof item === 'object' && item !== null && Object.hasOwn(item, 'prototype'))) {
      throw invalid('metadata must not name a prototype')
    }
    check(item, level + 1)
  }
}

/** With the u flag, the class matches lone surrogates only. */
const unstorable = /[\u0000\ud800-\udfff]/u

/** Both databases can store it, and JSON can carry it. */
function checkText (text: string): void {
  if (unstorable.test(text)) throw invalid('metadata must not hold U+0000 or a lone surrogate')
}
