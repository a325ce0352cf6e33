import { Type, type Static } from 'typebox'

/** Maximum size of `JSON.stringify(metadata)`, in bytes of UTF-8. */
export const METADATA_MAX_BYTES = 4096
/** Maximum nesting. The object itself is the first level, and each object or array within adds one. */
export const METADATA_MAX_LEVELS = 8
/** Maximum length of a key, in code points. */
export const METADATA_KEY_MAX = 64

/** A JSON object of the host's. JSON Schema cannot state its limits: see chat/metadata.ts. */
export const Metadata = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  additionalProperties: true,
  description: 'A JSON object of your own, at most 4,096 bytes and 8 levels deep, with keys of 1 to 64 characters. null clears it'
})
export type Metadata = Static<typeof Metadata>
