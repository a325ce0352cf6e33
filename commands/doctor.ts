import { ConfigError, readConfig, type Config } from '../config.js'
import { openBus } from '../plugins/bus.js'
import { inspectDatabase, type Enqueuing } from '../store/inspect.js'
import { elapsedMs } from '../time.js'
import type { Command } from './command.js'
import { signToken } from './token.js'

type Result = 'ok' | 'warn' | 'fail'

/** What was looked at, how it is, and, unless it is ok, the cure. */
interface Finding { check: string, result: Result, message: string }

/** How far the clocks of this machine and of the database may be apart, in milliseconds. */
const CLOCKS_MS = 2000
/** How long a message on the bus, or the first byte of a stream, may take, in milliseconds. */
const PATIENCE_MS = 5000

export const doctor: Command = {
  summary: 'Check the configuration, the database, the clocks, the bus and the proxy',
  usage: '[--url <url>] [--token <token>] [--host-role <role>]',
  options: {
    url: { type: 'string', help: 'Where clients reach the server, such as https://chat.example.com: checks that nothing on the way holds streams back' },
    token: { type: 'string', help: 'Token for --url. Default: one for the user `doctor`, signed with JWT_SECRET' },
    'host-role': { type: 'string', help: 'Role of an app on PostgreSQL that enqueues messages in its own transactions: checks that it may' }
  },
  details: 'It reads the same environment as the server, and changes nothing in the database. Exit code 1 if a check fails; a warning is no failure.',
  async run (values, env) {
    const findings = await examine(env, values as Asked)
    return {
      lines: findings.map(({ check, result, message }) => `${result.padEnd(5)} ${check.padEnd(14)} ${message}`),
      json: { findings },
      failed: findings.some(({ result }) => result === 'fail')
    }
  }
}

interface Asked { url?: string, token?: string, 'host-role'?: string }

async function examine (env: NodeJS.ProcessEnv, { url, token, 'host-role': hostRole }: Asked): Promise<Finding[]> {
  let config: Config
  try {
    config = readConfig(env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return [{ check: 'configuration', result: 'fail', message: error.message }]
  }
  return [
    { check: 'configuration', result: 'ok', message: 'every variable is valid' },
    secretOf(env, config),
    ...await databaseOf(config, hostRole),
    await busOf(config),
    ...url === undefined ? [] : [await streamOf(url, async () => token ?? await signToken(env, { userId: 'doctor', expires: '5m' }))]
  ]
}

function secretOf (env: NodeJS.ProcessEnv, { chat: { jwt } }: Config): Finding {
  const check = 'secret'
  if (jwt?.secret === undefined) return { check, result: 'ok', message: 'none is needed: an identity provider signs the tokens' }
  const bytes = Buffer.byteLength(jwt.secret)
  return env.JWT_SECRET?.trim()
    ? { check, result: 'ok', message: `JWT_SECRET has ${bytes} bytes` }
    : { check, result: 'warn', message: 'the secret for development is used: set JWT_SECRET, 32 bytes or more, before other machines sign or verify' }
}

async function databaseOf ({ chat: { databaseUrl } }: Config, hostRole: string | undefined): Promise<Finding[]> {
  const check = 'database'
  try {
    const found = await inspectDatabase({ url: databaseUrl! }, hostRole)
    if (found === undefined) return [{ check, result: 'warn', message: 'there is no file yet: the first start makes it' }]
    const { pending, clockOffsetMs, enqueuing } = found
    return [
      pending.length === 0
        ? { check, result: 'ok', message: 'it answers, and its tables are of this version' }
        : { check, result: 'warn', message: `its tables are of an earlier version: the next start applies ${pending.join(', ')}, or run fastify-sse-chat migrate` },
      clockOffsetMs === null
        ? { check: 'clocks', result: 'ok', message: 'SQLite has the clock of this machine' }
        : Math.abs(clockOffsetMs) <= CLOCKS_MS
          ? { check: 'clocks', result: 'ok', message: `the database's is within ${CLOCKS_MS / 1000} s of this machine's` }
          : { check: 'clocks', result: 'fail', message: `the database's is ${(clockOffsetMs / 1000).toFixed(1)} s from this machine's: let both follow a time server` },
      ...enqueuing === null ? [] : [enqueueOf(enqueuing, hostRole)]
    ]
  } catch (error) {
    return [{ check, result: 'fail', message: messageOf(error) }]
  }
}

/** Says what a host's role needs for messages in its own transactions. */
function enqueueOf ({ role, isGranted, grants }: Enqueuing, hostRole: string | undefined): Finding {
  const check = 'enqueue'
  const statements = `${grants.join('; ')};`
  if (isGranted === undefined) return { check, result: 'ok', message: `once there are tables, a host's role that enqueues messages needs: ${statements}` }
  if (!isGranted) return { check, result: 'fail', message: `the role ${role} may not enqueue messages: ${statements}` }
  const more = hostRole === undefined ? `. A host with another role needs: ${statements}` : ''
  return { check, result: 'ok', message: `the role ${role} may enqueue messages in its transactions${more}` }
}

/** Sends a message from one connection to another, under a name that no installation has. */
async function busOf ({ chat: { databaseUrl, redisUrl } }: Config): Promise<Finding> {
  const check = 'bus'
  if (redisUrl === undefined && databaseUrl!.startsWith('file:')) return { check, result: 'ok', message: 'none is needed: with SQLite there is one node' }
  const since = elapsedMs()
  let reason = ''
  const options = { databaseUrl: databaseUrl!, redisUrl, installation: 'doctor', onError: (error: unknown) => { reason = messageOf(error) } }
  const [sender, receiver] = [await openBus(options), await openBus(options)]
  let timer: NodeJS.Timeout | undefined
  try {
    const arrived = new Promise<boolean>(resolve => {
      receiver.onMessage(() => { resolve(true) })
      timer = setTimeout(() => { resolve(false) }, PATIENCE_MS)
    })
    await receiver.listen('doctor')
    sender.publish('doctor', () => 'hello')
    return await arrived
      ? { check, result: 'ok', message: `a message passes through ${redisUrl === undefined ? 'PostgreSQL' : 'Redis'} in ${Math.ceil(elapsedMs() - since)} ms, connecting included` }
      : { check, result: 'fail', message: `no message passes within ${PATIENCE_MS / 1000} s${reason === '' ? '' : `: ${reason}`}` }
  } finally {
    clearTimeout(timer)
    await sender.close()
    await receiver.close()
  }
}

async function streamOf (url: string, tokenOf: () => Promise<string>): Promise<Finding> {
  const check = 'stream'
  const abort = new AbortController()
  const timer = setTimeout(() => { abort.abort() }, PATIENCE_MS)
  const since = elapsedMs()
  try {
    const response = await fetch(new URL('api/sse', url.endsWith('/') ? url : `${url}/`), { headers: { authorization: `Bearer ${await tokenOf()}` }, signal: abort.signal })
    if (response.status !== 200) return { check, result: 'fail', message: `${url} answers ${response.status}: does it lead to this server, and is the token one of its own?` }
    const type = response.headers.get('content-type') ?? 'no type'
    if (!type.startsWith('text/event-stream')) return { check, result: 'fail', message: `${url} answers with ${type}, and not with text/event-stream: it leads to something else` }
    const { value } = await response.body!.getReader().read()
    if (value === undefined) return { check, result: 'fail', message: 'the stream ends at once' }
    const encoding = response.headers.get('content-encoding')
    if (encoding !== null && encoding !== 'identity') {
      return { check, result: 'warn', message: `something on the way compresses the stream (${encoding}), which may hold events back: leave text/event-stream out` }
    }
    return { check, result: 'ok', message: `the first event arrives after ${Math.ceil(elapsedMs() - since)} ms` }
  } catch (error) {
    return abort.signal.aborted
      ? { check, result: 'fail', message: `no event within ${PATIENCE_MS / 1000} s: a proxy on the way holds the stream back. Turn its buffering off (see docs/deployment.md)` }
      : { check, result: 'fail', message: `${url} cannot be reached: ${messageOf((error as Error).cause ?? error)}` }
  } finally {
    clearTimeout(timer)
    abort.abort()
  }
}

/** Errors of several addresses have no message of their own. */
function messageOf (error: unknown): string {
  const { message, code, errors } = error as { message?: string, code?: string, errors?: unknown[] }
  return (message || (errors?.[0] === undefined ? undefined : messageOf(errors[0])) || code || String(error)).split('\n')[0]!
}
