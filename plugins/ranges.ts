/** Part of a file: `end` is included. */
export interface ByteRange { start: number, end: number }

/**
 * Reads a `Range` header (RFC 9110, 14.2). Undefined: all of the file, also if the header is malformed or has several ranges.
 * Null: the file has no such range.
 */
export function rangeOf (header: string | undefined, size: number): ByteRange | null | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/i.exec(header?.trim() ?? '') ?? []
  if (first === '' && last === '') return undefined
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? null : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  return start >= size ? null : { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
}

/** Whether one of the entity tags of `If-None-Match` is this one (RFC 9110, 13.1.2). */
export const matches = (header: string | undefined, etag: string): boolean =>
  header !== undefined && header.split(',').some(tag => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
