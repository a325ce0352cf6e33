import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { OpenedFile } from '../chat/files.js'
import { chatError } from '../errors.js'
import { isShown } from '../files/types.js'
import { matches, rangeOf } from './ranges.js'

/** Up to this size, a file is read at once, in bytes: a stream costs more than that. */
const AT_ONCE_BYTES = 256 * 1024
/** How long a browser may keep a file without asking, in seconds. */
const MAX_AGE_S = 300

const TEXT = /^(text\/|application\/json$)/

/**
 * Answers with a file, a part of it, or that it has not changed. Whatever it holds, nothing of it is run with the rights of
 * the service's origin.
 */
export async function sendFile (
  { method, headers }: FastifyRequest, reply: FastifyReply, { name, type, tag, content }: OpenedFile, { crossOrigin = false } = {}
): Promise<FastifyReply> {
  const { size } = content
  const etag = `"${tag}"`
  reply.headers({
    ETag: etag,
    'Cache-Control': `private, max-age=${MAX_AGE_S}`,
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': 'default-src \'none\'; sandbox',
    'Content-Disposition': `${isShown(type) ? 'inline' : 'attachment'}; filename*=UTF-8''${encoded(name)}`,
    'Accept-Ranges': 'bytes',
    ...(crossOrigin ? { 'Cross-Origin-Resource-Policy': 'cross-origin' } : {})
  })
  if (matches(headers['if-none-match'], etag)) {
    await content.close()
    return await reply.code(304).send()
  }
  // Ranges are of GET only (RFC 9110, 14.2).
  const isRanged = method === 'GET' && (headers['if-range'] === undefined || headers['if-range'] === etag)
  const range = isRanged ? rangeOf(headers.range, size) : undefined
  if (range === null) {
    await content.close()
    reply.removeHeader('Content-Disposition')
    reply.header('Content-Range', `bytes */${size}`).header('Cache-Control', 'no-store')
    throw chatError('RANGE_NOT_SATISFIABLE')
  }
  const { start, end } = range ?? { start: 0, end: size - 1 }
  reply.header('Content-Type', TEXT.test(type) ? `${type}; charset=utf-8` : type).header('Content-Length', end - start + 1)
  if (range !== undefined) reply.code(206).header('Content-Range', `bytes ${start}-${end}/${size}`)
  if (method === 'HEAD') {
    await content.close()
    // Fastify takes the length of anything but a stream for the file's.
    return await reply.send(Readable.from([]))
  }
  return await reply.send(range === undefined && size <= AT_ONCE_BYTES ? await content.bytes() : content.stream(start, end))
}

/** As RFC 8187 has it. */
const encoded = (name: string): string =>
  encodeURIComponent(name).replace(/['()*]/g, character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
