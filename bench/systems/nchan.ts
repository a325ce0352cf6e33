import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Call } from '../load/caller.js'
import { EventStream } from '../load/event-stream.js'
import type { Sink } from '../load/sink.js'
import { childOf } from '../measure/process.js'
import { sleep } from '../measure/statistics.js'
import { end, temporaryFolder } from './spawn.js'
import type { Broadcaster, OpenStream } from './system.js'

const NGINX = '/usr/sbin/nginx'
const MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so'

/** Debian's packages nginx-light and libnginx-mod-nchan. */
export const nchanIsInstalled = (): boolean => existsSync(NGINX) && existsSync(MODULE)

const configuration = (folder: string, port: number): string => `
load_module ${MODULE};
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 19000; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  nchan_max_reserved_memory 256m;
  server {
    listen 127.0.0.1:${port};
    location = /publish { nchan_publisher; nchan_channel_id room; nchan_message_buffer_length 10; nchan_message_timeout 10s; }
    location = /subscribe { nchan_subscriber eventsource; nchan_channel_id room; nchan_subscriber_first_message newest; nchan_subscriber_timeout 0; }
  }
}
`

/** nchan, the publish/subscribe module of nginx in C: no tokens, no validation, no database. Events are posted whole. */
export class Nchan implements Broadcaster {
  readonly name = 'nchan'
  readonly ordered = false
  readonly sparesSenders = false
  readonly pid: number
  readonly port: number
  readonly #master: ChildProcess
  readonly #remove: () => void
  #seq = 0

  private constructor (master: ChildProcess, port: number, remove: () => void) {
    this.#master = master
    this.pid = childOf(master.pid!)
    this.port = port
    this.#remove = remove
  }

  static async start (): Promise<Nchan> {
    const folder = temporaryFolder()
    const port = await freePort()
    const file = join(folder.path, 'nginx.conf')
    writeFileSync(file, configuration(folder.path, port))
    const master = spawn(NGINX, ['-c', file, '-p', folder.path, '-g', 'user root;'], { stdio: ['ignore', 'ignore', 'inherit'] })
    await sleep(500)
    return new Nchan(master, port, folder.remove)
  }

  async prepare (): Promise<void> {}

  userId (member: number): string {
    return `member-${member}`
  }

  open (_member: number, sink: Sink, connected: () => void): OpenStream {
    const comments = new WithoutComments(sink, connected)
    return new EventStream(this.port, '/subscribe', {}, comments)
  }

  post (member: number, text: string): Call {
    const id = randomUUID()
    const userId = this.userId(member)
    const seq = ++this.#seq
    return {
      method: 'POST',
      path: '/publish',
      userId,
      body: {
        id,
        messageId: id,
        conversationId: 'group_00000000-0000-4000-8000-000000000000',
        seq,
        clientId: null,
        senderId: userId,
        text,
        type: 'text',
        status: 'sent',
        createdAt: new Date().toISOString(),
        editedAt: null,
        deletedAt: null,
        sender: { userId, displayName: userId, avatar: null },
        eventSeq: seq
      }
    }
  }

  async stop (): Promise<void> {
    await end(this.#master, 'SIGTERM')
    this.#remove()
  }
}

/** nchan greets with a comment. */
class WithoutComments implements Sink {
  #text = ''
  #greeted = false
  readonly #sink: Sink
  readonly #connected: () => void

  constructor (sink: Sink, connected: () => void) {
    this.#sink = sink
    this.#connected = connected
  }

  take (buffer: Buffer, from: number, to: number): void {
    if (this.#greeted) return this.#sink.take(buffer, from, to)
    this.#text += buffer.toString('latin1', from, to)
    const end = this.#text.indexOf('\n\n')
    if (end === -1) return
    const rest = this.#text.length - (end + 2)
    this.#greeted = true
    this.#connected()
    if (rest > 0) this.#sink.take(buffer, to - rest, to)
  }
}

async function freePort (): Promise<number> {
  return await new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => { resolve(port) })
    })
  })
}
