import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Call } from '../load/caller.js'
import { EventStream } from '../load/event-stream.js'
import { Preamble } from '../load/preamble.js'
import type { Sink } from '../load/sink.js'
import { SECRET } from '../load/token.js'
import { SocketIoStream } from '../load/web-socket.js'
import { end, profileArgs, root, spawnServer } from './spawn.js'
import type { Broadcaster, OpenStream } from './system.js'

export type PeerName = 'fastify-sse-v2' | 'fastify-sse' | 'better-sse' | 'socket.io' | 'empty-route'

/** A library of others behind the same publish call, in a Fastify app: see bench/peers. */
export class Peer implements Broadcaster {
  readonly ordered = true
  readonly sparesSenders = false
  readonly name: string
  readonly pid: number
  readonly port: number
  readonly #child: ChildProcess

  private constructor (name: string, child: ChildProcess, port: number) {
    this.name = name
    this.pid = child.pid!
    this.port = port
    this.#child = child
  }

  static async start (name: PeerName): Promise<Peer> {
    const { child, match } = await spawnServer(process.execPath, [...profileArgs(), join(root, 'bench', 'peers', `${name}.js`)],
      { JWT_SECRET: SECRET, NODE_ENV: 'production' }, /listens on (\d+)/)
    return new Peer(name === 'fastify-sse' ? '@fastify/sse' : name, child, Number(match[1]))
  }

  userId (member: number): string {
    return `member-${member}`
  }

  async prepare (): Promise<void> {}

  open (_member: number, sink: Sink, connected: () => void): OpenStream {
    return this.name === 'socket.io'
      ? new SocketIoStream(this.port, sink, connected)
      : new EventStream(this.port, '/api/sse', {}, new Preamble(sink, connected))
  }

  post (member: number, text: string): Call {
    const body = { conversationId: 'group_00000000-0000-4000-8000-000000000000', text }
    return { method: 'POST', path: '/api/chat/messages', userId: this.userId(member), body }
  }

  async stop (): Promise<void> {
    await end(this.#child)
  }
}
