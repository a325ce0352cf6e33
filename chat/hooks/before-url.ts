import { randomBytes } from 'node:crypto'
import { wallClockMs } from '../../time.js'
import { signatureHeaders } from '../webhooks/signature.js'
import type { Attempt, BeforeHook } from './before.js'
import { refuse } from './refuse.js'

/** Maximum size of an answer, in bytes. */
const ANSWER_MAX = 262_144

/** A hook that is asked by HTTP, in a request that is signed as a webhook is. One attempt; whatever goes wrong throws. */
export function beforeByUrl (url: string, secret: string, timeoutMs: number): BeforeHook {
  return async attempt => {
    const body = JSON.stringify(attempt satisfies Attempt)
    const id = `before.${randomBytes(12).toString('base64url')}`
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        'content-type': 'application/json',
        'user-agent': 'fastify-sse-chat',
        ...signatureHeaders({ id, at: wallClockMs(), body, secrets: [secret] })
      },
      body
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`It answered ${response.status}`)
    }
    return decisionOf(JSON.parse(await textOf(response)))
  }
}

async function textOf ({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body ?? []) {
    size += chunk.length
    if (size > ANSWER_MAX) throw new Error(`It answered more than ${ANSWER_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function decisionOf (answer: unknown): unknown {
  const { allow, input, reason, code } = (answer ?? {}) as { allow?: unknown, input?: unknown, reason?: unknown, code?: unknown }
  if (allow === true) return input
  if (allow !== false) throw new Error('It answered neither { allow: true, input? } nor { allow: false, reason, code? }')
  return refuse(reason as string, { code: (code ?? undefined) as string | undefined })
}
