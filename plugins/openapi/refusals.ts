import type { FastifySchema } from 'fastify'
import { errorCatalogue, type ErrorCode } from '../../schemas/errors.js'

declare module 'fastify' {
  interface FastifySchema {
    /** How the route itself may refuse. What every route refuses that has a body, a parameter or a caller goes without saying. */
    errors?: readonly ErrorCode[]
  }
}

/** Whether only operators may call a route with these tags. */
export const isForOperators = (tags: readonly string[] = []): boolean => tags.includes('admin')

/** The codes, below 500, that a route may answer with. A body is read wherever one may be, also where none is needed. */
export function refusalsOf (method: string, { security, tags, querystring, params, body, errors = [] }: FastifySchema): ErrorCode[] {
  // A service may act for an unknown user, and whoever is no operator is told that there is no such route.
  const ofCaller = security?.length === 0
    ? []
    : ['UNAUTHORIZED', 'TOKEN_EXPIRED', 'TOO_MANY_REQUESTS', 'TOO_MANY_FAILURES', isForOperators(tags) ? 'NOT_FOUND' : 'UNKNOWN_USER'] as const
  const named = [...ofCaller, ...errors]
  const codes = new Set<ErrorCode>(['BAD_REQUEST', ...named])
  if (querystring !== undefined || body !== undefined) codes.add('VALIDATION_FAILED')
  if (params !== undefined) codes.add('NOT_FOUND')
  if (method !== 'GET') for (const code of ['INVALID_JSON', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const) codes.add(code)
  return [...codes].filter(code => errorCatalogue[code][0] < 500)
}

/** The refusals as responses of the document: one for each status, and one for everything else. */
export function refusalResponses (method: string, schema: FastifySchema, answer: unknown): Record<string, unknown> {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of refusalsOf(method, schema)) {
    const [status] = errorCatalogue[code]
    byStatus.set(status, [...byStatus.get(status) ?? [], code])
  }
  const responses = [...byStatus].sort(([a], [b]) => a - b).map(([status, codes]) => [status, {
    description: codes.map(code => `\`${code}\`: ${errorCatalogue[code][1]}`).join('. '),
    ...(status === 429 ? { headers: { 'Retry-After': { description: 'Seconds to wait', schema: { type: 'integer' } } } } : {}),
    content: { 'application/json': { schema: answer } }
  }])
  return Object.fromEntries([...responses, ['default', {
    description: 'Trouble on the server, such as `UNAVAILABLE` (503), or a request that HTTP itself does not allow',
    content: { 'application/json': { schema: answer } }
  }]])
}
