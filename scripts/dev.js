// `npm run dev`: runs the server from source and restarts it on every change, rebuilds the page, and prints readable logs.

import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import pretty from 'pino-pretty'
import { watchPage } from './page.js'
import { root } from './prisma.js'

const page = join(root, 'dist', 'web')
const stopWatching = await watchPage(page)

// The server reads the page once, at its start: a new page restarts it, too.
const server = spawn(process.execPath, [
  createRequire(import.meta.url).resolve('tsx/cli'), 'watch', '--clear-screen=false', `--include=${join(page, 'index.html')}`, 'server.ts'
], { cwd: root, stdio: ['inherit', 'pipe', 'inherit'] })

server.stdout.pipe(pretty({ translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname', singleLine: true }))
process.on('SIGTERM', () => { server.kill('SIGTERM') })
// Ctrl-C reaches the server by itself, and a second signal would end it at once.
process.on('SIGINT', () => {})
server.on('exit', async (code) => {
  await stopWatching()
  process.exitCode = code ?? 0
})
