import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { mint } from '../chaos/token.js'

/** A call with an id that is not the caller's: of a conversation, a message, a file or a stream. */
export interface Probe {
  about: 'conversation' | 'message' | 'file' | 'stream'
  method: string
  path: (id: string) => string
  body?: (id: string) => unknown
  /** Default: 404. */
  status?: number
}

const segment = encodeURIComponent

/** Each way to ask about something. `own` is a group of the caller's. */
export const probes = (other: string, own?: string): Probe[] => [
  { about: 'conversation', method: 'GET', path: id => `/api/chat/conversations/${segment(id)}` },
  { about: 'conversation', method: 'GET', path: id => `/api/chat/conversations/${segment(id)}/messages` },
  { about: 'conversation', method: 'GET', path: id => `/api/chat/conversations/${segment(id)}/messages?after=0&limit=1` },
  { about: 'conversation', method: 'PATCH', path: id => `/api/chat/conversations/${segment(id)}`, body: () => ({ title: 'mine', settings: { posting: 'nobody' } }) },
  { about: 'conversation', method: 'PATCH', path: id => `/api/chat/conversations/${segment(id)}`, body: () => ({ settings: { messageTtlSeconds: 60 } }) },
  { about: 'conversation', method: 'PATCH', path: id => `/api/chat/conversations/${segment(id)}/me`, body: () => ({ favourite: true, archived: true }) },
  { about: 'conversation', method: 'PATCH', path: id => `/api/chat/conversations/${segment(id)}/me`, body: () => ({ unreadFrom: 1 }) },
  { about: 'conversation', method: 'DELETE', path: id => `/api/chat/conversations/${segment(id)}` },
  { about: 'conversation', method: 'GET', path: id => `/api/chat/conversations/${segment(id)}/changes` },
  { about: 'conversation', method: 'GET', path: id => `/api/chat/conversations/${segment(id)}/changes?from=1&to=2&after=0&limit=1` },
  { about: 'conversation', method: 'GET', path: id => `/api/chat/search?q=a&conversationId=${segment(id)}` },
  { about: 'conversation', method: 'PUT', path: id => `/api/chat/conversations/${segment(id)}/read`, body: () => ({ seq: 1 }) },
  { about: 'conversation', method: 'POST', path: id => `/api/chat/conversations/${segment(id)}/participants`, body: () => ({ participantIds: [other] }) },
  { about: 'conversation', method: 'POST', path: id => `/api/chat/conversations/${segment(id)}/participants`, body: () => ({ participantIds: ['nobody at all'] }) },
  { about: 'conversation', method: 'PUT', path: id => `/api/chat/conversations/${segment(id)}/participants/${segment(other)}`, body: () => ({ role: 'admin' }) },
  { about: 'conversation', method: 'DELETE', path: id => `/api/chat/conversations/${segment(id)}/participants/${segment(other)}` },
  { about: 'conversation', method: 'POST', path: () => '/api/chat/messages', body: id => ({ conversationId: id, text: 'let me in' }) },
  { about: 'conversation', method: 'POST', path: () => '/api/chat/messages', body: id => ({ conversationId: id, text: 'let me in', clientId: 'probe' }) },
  { about: 'conversation', method: 'POST', path: () => '/api/chat/typing', body: id => ({ conversationId: id, isTyping: true }) },
  { about: 'conversation', method: 'POST', path: () => '/api/chat/typing', body: id => ({ conversationId: id, isTyping: false }) },
  { about: 'conversation', method: 'POST', path: () => '/api/sse/tickets', body: id => ({ conversationId: id }) },
  { about: 'conversation', method: 'GET', path: id => `/api/sse?conversationId=${segment(id)}` },
  { about: 'conversation', method: 'GET', path: id => `/api/sse?conversationId=${segment(id)}&lastEventId=x.1.1` },
  { about: 'message', method: 'GET', path: id => `/api/chat/messages/${segment(id)}` },
  { about: 'message', method: 'GET', path: id => `/api/chat/messages/${segment(id)}/replies` },
  { about: 'message', method: 'GET', path: id => `/api/chat/messages/${segment(id)}/reactions` },
  { about: 'message', method: 'GET', path: id => `/api/chat/messages/${segment(id)}/receipts` },
  { about: 'message', method: 'GET', path: id => `/api/chat/messages/${segment(id)}/receipts?limit=1` },
  { about: 'message', method: 'PUT', path: id => `/api/chat/messages/${segment(id)}/reactions/${segment('👍')}` },
  { about: 'message', method: 'DELETE', path: id => `/api/chat/messages/${segment(id)}/reactions/${segment('👍')}` },
  { about: 'message', method: 'PATCH', path: id => `/api/chat/messages/${segment(id)}`, body: () => ({ text: 'changed' }) },
  { about: 'message', method: 'POST', path: id => `/api/chat/messages/${segment(id)}/append`, body: () => ({ offset: 0, text: 'x' }) },
  { about: 'message', method: 'POST', path: id => `/api/chat/messages/${segment(id)}/finish`, body: () => ({ text: 'changed' }) },
  { about: 'message', method: 'POST', path: id => `/api/chat/messages/${segment(id)}/stop` },
  { about: 'message', method: 'DELETE', path: id => `/api/chat/messages/${segment(id)}` },
  { about: 'message', method: 'PUT', path: id => `/api/chat/messages/${segment(id)}/status`, body: () => ({ status: 'read' }) },
  { about: 'message', method: 'GET', path: id => `/api/chat/conversations/${segment(id)}` },
  { about: 'file', method: 'GET', path: id => `/api/chat/files/${segment(id)}` },
  { about: 'file', method: 'GET', path: id => `/api/chat/files/${segment(id)}/thumbnail` },
  { about: 'file', method: 'GET', path: id => `/api/chat/files/${segment(id)}/content?e=9999999900&v=file&s=${'A'.repeat(43)}` },
  { about: 'file', method: 'DELETE', path: id => `/api/chat/files/${segment(id)}` },
  { about: 'file', method: 'POST', path: () => '/api/chat/files/urls', body: id => ({ fileIds: [id] }), status: 200 },
  {
    about: 'file',
    method: 'POST',
    path: () => '/api/chat/messages',
    body: id => ({ conversationId: own ?? 'none', text: 'mine', attachments: [{ fileId: id }] }),
    status: own === undefined ? 404 : 422
  },
  { about: 'stream', method: 'POST', path: id => `/api/sse/${segment(id)}/token` }
]

/** Headers that differ between responses. */
const VARIABLE = new Set(['date', 'x-ratelimit-remaining', 'x-ratelimit-reset'])

/** Everything in a response that a caller can compare. */
export async function answerTo (
  probe: Probe, id: string, userId: string, port: number
): Promise<{ status: number, headers: IncomingHttpHeaders, body: string }> {
  const payload = probe.body === undefined ? undefined : JSON.stringify(probe.body(id))
  return await new Promise((resolve, reject) => {
    const request = httpRequest({
      host: '127.0.0.1', port, agent: false, method: probe.method, path: probe.path(id), headers: { authorization: `Bearer ${mint(userId)}`, ...(payload === undefined ? {} : { 'content-type': 'application/json' }) }
    }, response => {
      const chunks: Buffer[] = []
      const headers: IncomingHttpHeaders = Object.fromEntries(Object.entries(response.headers).filter(([name]) => !VARIABLE.has(name)))
      const done = (): void => {
        resolve({ status: response.statusCode ?? 0, headers, body: Buffer.concat(chunks).toString() })
        request.destroy()
      }
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        // A stream does not end.
        if (headers['content-type']?.startsWith('text/event-stream') === true) done()
      })
      response.on('end', done)
    })
    request.on('error', reject)
    request.end(payload)
  })
}

/** An id of the same form that nothing has, as far as `isKnown` tells. */
export function unknownLike (id: string, isKnown: (id: string) => boolean): string {
  for (let step = 1; step < 10; step++) {
    const other = id.replaceAll(/\d/g, digit => String((Number(digit) + step) % 10))
    if (other !== id && !isKnown(other)) return other
  }
  return `${id.slice(0, -1)}${id.endsWith('0') ? '1' : '0'}`
}
