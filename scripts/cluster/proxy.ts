import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** What stands in front of the nodes. */
export interface Proxy {
  kind: 'nginx' | 'node'
  stop(): Promise<void>
}

export interface ProxyOptions {
  port: number
  /** Ports of the nodes, all on 127.0.0.1. */
  nodes: number[]
}

/** nginx when it is installed, else a small one of our own; both on loopback. */
export async function startProxy (options: ProxyOptions): Promise<Proxy> {
  return hasNginx() ? await startNginx(options) : await startNodeProxy(options)
}

export const hasNginx = (): boolean => spawnSync('nginx', ['-v']).status === 0

/**
 * nginx with its own defaults, buffering included: a stream's answer says itself that it isn't to be buffered
 * (`X-Accel-Buffering: no`).
 */
export async function startNginx ({ port, nodes }: ProxyOptions): Promise<Proxy> {
  const folder = mkdtempSync(join(tmpdir(), 'chat-nginx-'))
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`).join(' ')
  // By default, the workers of a root nginx run as a user who may not enter the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  writeFileSync(join(folder, 'nginx.conf'), `
    ${user}
    pid ${folder}/nginx.pid;
    error_log ${folder}/error.log;
    worker_processes 1;
    events { worker_connections 4096; }
    http {
      access_log off;
      ${temporary}
      upstream chat {
        least_conn;
        ${nodes.map(node => `server 127.0.0.1:${node} max_fails=1 fail_timeout=1s;`).join('\n        ')}
        keepalive 32;
      }
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass http://chat;
          proxy_http_version 1.1;
          proxy_set_header Connection "";
          proxy_set_header Host $http_host;
          proxy_set_header X-Forwarded-For $remote_addr;
          proxy_connect_timeout 2s;
          # an idle stream has a heartbeat every 30 seconds
          proxy_read_timeout 90s;
        }
      }
    }`)
  const args = ['-p', folder, '-e', join(folder, 'error.log'), '-c', join(folder, 'nginx.conf'), '-g', 'daemon off;']
  const child = spawn('nginx', args, { stdio: 'inherit' })
  await untilOpen(port)
  return {
    kind: 'nginx',
    async stop () {
      await ended(child, 'SIGTERM')
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** In turn to the nodes; one that doesn't answer is passed over. */
export async function startNodeProxy ({ port, nodes }: ProxyOptions): Promise<Proxy> {
  let turn = 0
  const forward = (incoming: IncomingMessage, outgoing: ServerResponse, body: Buffer, tries: number): void => {
    const node = nodes[turn++ % nodes.length]!
    const headers = { ...incoming.headers, 'x-forwarded-for': incoming.socket.remoteAddress }
    const upstream = request({ host: '127.0.0.1', port: node, method: incoming.method, path: incoming.url, headers, agent: false }, answer => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      outgoing.flushHeaders()
      answer.pipe(outgoing)
      answer.once('error', () => { outgoing.destroy() })
    })
    upstream.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' && tries > 1) return forward(incoming, outgoing, body, tries - 1)
      if (outgoing.headersSent) outgoing.destroy()
      else outgoing.writeHead(502).end()
    })
    outgoing.once('close', () => { upstream.destroy() })
    upstream.end(body)
  }
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    incoming.once('end', () => { forward(incoming, outgoing, Buffer.concat(chunks), nodes.length) })
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  return {
    kind: 'node',
    async stop () {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }
}

async function untilOpen (port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const open = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1', () => { socket.end(); resolve(true) })
      socket.once('error', () => { resolve(false) })
    })
    if (open) return
    await sleep(50)
  }
  throw new Error(`Nothing listens on port ${port}`)
}

export async function ended (child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise(resolve => child.once('exit', resolve))
  child.kill(signal)
  await gone
}
