import { hash } from 'node:crypto'
import { chatError } from '../errors.js'

/** What a part of a place may be. A cursor is made by anybody, so it must hold nothing that a database cannot compare with. */
const fits = {
  /** An integer of 32 bits. */
  int: (value: unknown) => Number.isInteger(value) && Number(value) === (Number(value) | 0),
  bigint: (value: unknown) => Number.isSafeInteger(value),
  text: (value: unknown) => typeof value === 'string' && !/[\u0000\ud800-\udfff]/u.test(value)
}
type Kind = keyof typeof fits

/** A list that is read in pages. */
export interface List<Place extends Readonly<Record<string, Kind>> = Readonly<Record<string, Kind>>> {
  /** Tells the cursors of different lists apart. */
  name: string
  /** What the list is of, such as a user's id: a cursor is valid for the same one only. */
  of: string
  /** What a place in the list consists of. */
  place: Place
}

type PlaceIn<L extends List> = { -readonly [Field in keyof L['place']]: L['place'][Field] extends 'text' ? string : number }

/** A place in a list as a cursor, which is opaque to clients; null for no place. */
export function encodeListCursor<L extends List> (list: L, place: PlaceIn<L> | undefined): string | null {
  if (place === undefined) return null
  return Buffer.from(JSON.stringify([tagOf(list), ...Object.keys(list.place).map(field => place[field])])).toString('base64url')
}

/**
 * Returns the place that a cursor stands for; undefined for no cursor.
 * @throws INVALID_CURSOR if it is not a cursor of this list
 */
export function decodeListCursor<L extends List> (list: L, cursor: string | undefined): PlaceIn<L> | undefined {
  if (cursor === undefined) return undefined
  const [tag, ...values] = partsOf(cursor)
  const fields = Object.entries(list.place)
  if (tag !== tagOf(list) || values.length !== fields.length) throw chatError('INVALID_CURSOR')
  return Object.fromEntries(fields.map(([field, kind], index) => {
    const value = values[index]
    if (!fits[kind](value)) throw chatError('INVALID_CURSOR')
    return [field, value]
  })) as PlaceIn<L>
}

function partsOf (cursor: string): unknown[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    return Array.isArray(parts) ? parts : []
  } catch {
    return []
  }
}

const tagOf = ({ name, of }: List): string => hash('sha256', `${name} ${of}`, 'base64url').slice(0, 8)
