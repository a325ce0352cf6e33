import { mkdtempSync, rmSync } from 'node:fs'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ServerProcess } from './chaos/server-process.js'
import { mint } from './chaos/token.js'
import { runCrowd, send } from './crowd.js'

/**
 * `npm run stress -- --seconds 60 --users 50 --conversations 20`: runs the crowd of the stress test for longer, against
 * the server in its own process, and measures the cost of a message. DATABASE_URL and REDIS_URL are passed on.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    users: { type: 'string', default: '50' },
    conversations: { type: 'string', default: '20' },
    pause: { type: 'string', default: '100' },
    connections: { type: 'string', default: '32' },
    seed: { type: 'string', default: String(Date.now()) }
  }
})
const [seconds, users, conversations, pauseMs, connections] = [
  values.seconds, values.users, values.conversations, values.pause, values.connections
].map(Number) as [number, number, number, number, number]

/** Sends messages with POST for this many seconds, as fast as this many connections can. */
async function measureMessages (server: ServerProcess, seconds: number): Promise<{ messages: number, cpuMicros: number, seconds: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const [ann, ben] = [mint('ann'), mint('ben')]
  await send(agent, `${server.origin}/api/chat/me`, 'GET', ben)
  const { text } = await send(agent, `${server.origin}/api/chat/conversations`, 'POST', ann, { type: 'direct', userId: 'ben' })
  const { id: conversationId } = JSON.parse(text) as { id: string }
  const round = async (ms: number): Promise<number> => {
    const until = performance.now() + ms
    let count = 0
    await Promise.all(Array.from({ length: connections }, async () => {
      while (performance.now() < until) {
        const { status } = await send(agent, `${server.origin}/api/chat/messages`, 'POST', ann, { conversationId, text: 'How are you today?' })
        if (status !== 201) throw new Error(`POST /api/chat/messages: ${status}`)
        count++
      }
    }))
    return count
  }
  await round(2000)
  const [cpu, began] = [server.cpuMicros, performance.now()]
  const messages = await round(seconds * 1000)
  const figures = { messages, cpuMicros: server.cpuMicros - cpu, seconds: (performance.now() - began) / 1000 }
  agent.destroy()
  return figures
}

function table (rows: Array<[string, string | number]>): string {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n')
}

const folder = mkdtempSync(join(tmpdir(), 'chat-stress-'))
const { DATABASE_URL = `file:${join(folder, 'chat.db')}`, REDIS_URL } = process.env
const server = await ServerProcess.create({ DATABASE_URL, ...(REDIS_URL === undefined ? {} : { REDIS_URL }) })
try {
  await server.start()
  process.stdout.write(`${users} users in ${conversations} conversations for ${seconds} s (seed ${values.seed}) …\n`)
  const cpu = server.cpuMicros
  const report = await runCrowd(
    { origin: server.origin, tokenOf: mint, users, conversations, ms: seconds * 1000, pauseMs, streakMax: 2000, seed: values.seed }
  )
  const crowdCpu = server.cpuMicros - cpu
  const posts = await measureMessages(server, Math.min(10, seconds))
  process.stdout.write(`${table([
    ['calls', report.calls],
    ['messages', report.messages],
    ['durable events to subscribers', report.events],
    ['reconnects', report.reconnects],
    ['server CPU, whole run', `${(crowdCpu / 1e6).toFixed(1)} s`],
    ['missing, double, out of order', report.problems.length],
    [`messages a second, ${connections} connections`, Math.round(posts.messages / posts.seconds)],
    ['server CPU a message', `${Math.round(posts.cpuMicros / posts.messages)} µs`],
    ['server memory', `${Math.round(server.residentBytes / 2 ** 20)} MiB`]
  ])}\n`)
  for (const problem of report.problems.slice(0, 50)) process.stdout.write(`  ${problem}\n`)
  if (report.problems.length > 0) process.exitCode = 1
} finally {
  await server.terminate()
  rmSync(folder, { recursive: true, force: true })
}
