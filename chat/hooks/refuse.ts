import { chatError, type ChatError } from '../../errors.js'

/** Maximum length of the reason of a refusal, in code points. */
const REASON_MAX = 500
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/

/**
 * Makes the refusal that a hook returns or throws. The caller gets 403 `REFUSED` with the reason as its message, of at most 500 code points,
 * and the code as `hookCode`.
 * @throws TypeError unless the reason is a text, and the code upper-case letters, digits and `_`
 */
export function refuse (reason: string, { code }: { code?: string | undefined } = {}): ChatError {
  if (typeof reason !== 'string') throw new TypeError('fastify-sse-chat: the reason of a refusal must be a string')
  if (code !== undefined && !(typeof code === 'string' && CODE.test(code))) {
    throw new TypeError('fastify-sse-chat: the code of a refusal must be upper-case letters, digits and _')
  }
  const refusal = chatError('REFUSED')
  const message = Array.from(reason.replaceAll(/\p{Cs}/gu, '\ufffd')).slice(0, REASON_MAX).join('')
  if (message.trim() !== '') refusal.message = message
  if (code !== undefined) refusal.hookCode = code
  return refusal
}
