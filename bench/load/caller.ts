import type { Socket } from 'node:net'
import { openSocket } from './sockets.js'
import { tokenOf } from './token.js'

export interface Call { method: string, path: string, userId: string, body?: object }
export interface Answer { status: number, body: string }

const tokens = new Map<string, string>()

function cachedToken (userId: string): string {
  let token = tokens.get(userId)
  if (token === undefined) tokens.set(userId, token = tokenOf(userId))
  return token
}

/** One keep-alive connection, with next to no work for each call. Calls are answered in their order; more than one may be under way. */
export class Caller {
  readonly #socket: Socket
  #text = ''
  readonly #waiting: Array<(answer: Answer) => void> = []
  closed = false

  constructor (port: number) {
    this.#socket = openSocket(port, (buffer, bytes) => { this.#read(buffer.toString('latin1', 0, bytes)) }, () => { this.closed = true })
  }

  async call ({ method, path, userId, body }: Call): Promise<Answer> {
    const json = body === undefined ? '' : JSON.stringify(body)
    const type = body === undefined ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(json)}\r\n`
    return await new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#socket.write(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${cachedToken(userId)}\r\n${type}\r\n${json}`)
    })
  }

  close (): void {
    this.#socket.destroy()
  }

  #read (text: string): void {
    this.#text += text
    for (let head = this.#text.indexOf('\r\n\r\n'); head !== -1; head = this.#text.indexOf('\r\n\r\n')) {
      const match = /\r\ncontent-length: *(\d+)/i.exec(this.#text.slice(0, head))
      const end = head + 4 + Number(match?.[1] ?? 0)
      if (this.#text.length < end) return
      const answer = { status: Number(this.#text.slice(9, 12)), body: this.#text.slice(head + 4, end) }
      this.#text = this.#text.slice(end)
      this.#waiting.shift()?.(answer)
    }
  }
}

/** So many connections that call as fast as they are answered, until `next` has nothing more. */
export async function callAll (
  callers: readonly Caller[], next: () => Call | undefined, answered?: (call: Call, answer: Answer) => void
): Promise<void> {
  await Promise.all(callers.map(async caller => {
    for (let call = next(); call !== undefined; call = next()) {
      const answer = await caller.call(call)
      if (answer.status >= 300) throw new Error(`void: ${call.method} ${call.path} was answered ${answer.status} ${answer.body}`)
      answered?.(call, answer)
    }
  }))
}

/** Takes from a list. */
export function each<T> (items: readonly T[], callOf: (item: T) => Call): () => Call | undefined {
  let index = 0
  return () => index < items.length ? callOf(items[index++]!) : undefined
}
