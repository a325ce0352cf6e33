import type { FastifyReply } from 'fastify'
import { chatError } from '../errors.js'

/** Aborted when the connection closes before it was answered: nobody gets what is being worked on. */
export function whenGone ({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort(chatError('REQUEST_TIMEOUT'))
  })
  return gone.signal
}
