import { Ajv, type ValidateFunction } from 'ajv'
import type { Static, TSchema } from 'typebox'
import { chatError } from '../errors.js'

/** Bodies are taken as they are: types are not coerced, and unknown fields are ignored. */
const ajv = new Ajv({ useDefaults: false, coerceTypes: false, allErrors: false, strict: false, discriminator: true })
const compiled = new WeakMap<TSchema, ValidateFunction>()

/** Whether the value matches the schema. */
export function isValid<S extends TSchema> (schema: S, value: unknown): value is Static<S> {
  return validatorOf(schema)(value)
}

function validatorOf (schema: TSchema): ValidateFunction {
  let validate = compiled.get(schema)
  if (validate === undefined) compiled.set(schema, validate = ajv.compile(schema))
  return validate
}

/** An id that cannot exist is answered like one that does not. @throws NOT_FOUND */
export function assertPossible (schema: TSchema, id: string): void {
  if (!isValid(schema, id)) throw chatError('NOT_FOUND')
}

/** Validates the input of an operation, which may be called in process as well as over HTTP. @throws VALIDATION_FAILED */
export function assertValid<S extends TSchema> (schema: S, value: unknown): asserts value is Static<S> {
  const validate = validatorOf(schema)
  if (validate(value)) return
  const [first] = validate.errors ?? []
  throw invalid(`${first?.instancePath.slice(1) || 'value'} ${first?.message ?? 'is invalid'}`)
}

/** What JSON Schema cannot say is refused like what it can. */
export function invalid (message: string): Error {
  const error = chatError('VALIDATION_FAILED')
  error.message = message
  return error
}

/** In code points, as JSON Schema counts. @throws VALIDATION_FAILED */
export function assertTextFits (text: string | null | undefined, maxLength: number): void {
  // A code point takes one or two UTF-16 units, so most texts need not be counted.
  if (text != null && text.length > maxLength && Array.from(text).length > maxLength) {
    throw invalid(`text must NOT have more than ${maxLength} characters`)
  }
}
