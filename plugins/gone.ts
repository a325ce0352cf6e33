import type { FastifyReply } from 'fastify'
import { chatError } from '../errors.js'

/** Returns a signal that is aborted if the connection closes before the response has been sent. */
export function whenGone ({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort(chatError('REQUEST_TIMEOUT'))
  })
  return gone.signal
}
