import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, quickServerCommand } from '../chaos/server-process.js'
import { SECRET } from '../helper.js'

/** The real server in its own process, on the same port and database however often it is killed. */
export async function serverProcess (t: { teardown (callback: () => unknown): void }, environment: NodeJS.ProcessEnv = {}) {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'chat-client-'))
  let child: ChildProcess | undefined

  async function start (): Promise<void> {
    child = spawn(process.execPath, quickServerCommand(), {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { PATH: process.env.PATH, PORT: String(port), DATABASE_URL: `file:${join(folder, 'chat.db')}`, JWT_SECRET: SECRET, LOG_LEVEL: 'silent', PAGE: 'off', ...environment }
    })
    for (;;) {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`)
      const response = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => null)
      if (response?.status === 200) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async function kill (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }

  t.teardown(async () => {
    await kill()
    rmSync(folder, { recursive: true, force: true })
  })
  await start()
  return { baseUrl: `http://127.0.0.1:${port}`, start, kill }
}
