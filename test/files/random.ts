import { mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { callOnce } from '../chaos/api.js'
import { Rng } from '../chaos/rng.js'
import { ServerProcess } from '../chaos/server-process.js'
import { mint } from '../chaos/token.js'
import { FileKeeper } from '../../chat/file-keeper.js'
import { LocalStorage } from '../../files/local-storage.js'
import { openDatabase } from '../../store/open-database.js'
import { Writer } from '../../store/writer.js'
import { multipart, onDisk } from './upload.js'

// Random uploads, sends and deletions against a server that is killed again and again: what is on the disk in the end is what rows say.

const USERS = ['ann', 'ben']
const NAMES = ['a.txt', 'b.bin']
interface Known { conversationId: string, free: string[], messages: string[] }

export interface Outcome { operations: number, disk: string[], rows: string[] }

/** What is on the disk and in rows, once what crashes have left is an hour old. */
async function clearedUp (url: string, dir: string): Promise<Pick<Outcome, 'disk' | 'rows'>> {
  const database = await openDatabase({ url: `file:${url}` })
  try {
    for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) utimesSync(join(entry.parentPath, entry.name), 0, 0)
    }
    const writer = new Writer(database, () => {})
    const keeper = new FileKeeper(database, writer, await LocalStorage.open(dir), error => { throw error }, 0)
    await keeper.collect()
    await keeper.sweep()
    await keeper.sweep()
    await writer.close()
    const rows = await database.read.query<{ storage_key: string }>('SELECT storage_key FROM chat_files')
    return { disk: onDisk(dir), rows: rows.map(({ storage_key: key }) => key).sort() }
  } finally {
    await database.close()
  }
}

export async function runRandom ({ operations, kills, seed }: { operations: number, kills: number, seed: number }): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'chat-random-files-'))
  const [dir, file] = [join(folder, 'files'), join(folder, 'chat.db')]
  const server = await ServerProcess.create({ DATABASE_URL: `file:${file}`, FILES_DIR: dir })
  const rng = new Rng(seed)
  let made = 0
  try {
    await server.start()
    const call = async (userId: string, method: string, path: string, body?: unknown) =>
      await callOnce(server.port, method, path, { token: mint(userId), body }).catch(() => undefined)
    for (const id of USERS) await call(id, 'GET', '/api/chat/me')
    const known: Known = { conversationId: '', free: [], messages: [] }
    const group = async (): Promise<void> => {
      const answer = await call('ann', 'POST', '/api/chat/conversations', { type: 'group', participantIds: ['ben'] })
      known.conversationId = String(answer?.body.id ?? known.conversationId)
    }
    await group()
    const upload = async (): Promise<void> => {
      const { payload, headers } = multipart([{ name: rng.pick(NAMES), bytes: Buffer.alloc(rng.integer(1, 200_000), 65) }])
      const answer = await fetch(`${server.origin}/api/chat/files`, {
        method: 'POST', headers: { ...headers, authorization: `Bearer ${mint('ann')}` }, body: payload
      }).catch(() => undefined)
      if (answer?.status === 201) known.free.push((await answer.json() as { fileId: string }).fileId)
    }
    const send = async (): Promise<void> => {
      const fileId = known.free.shift()
      if (fileId === undefined) return
      const answer = await call('ann', 'POST', '/api/chat/messages', { conversationId: known.conversationId, text: '', attachments: [{ fileId }] })
      if (answer?.status === 201) known.messages.push(String(answer.body.id))
    }
    const actions: Array<[weight: number, act: () => Promise<unknown>]> = [
      [5, upload],
      [4, send],
      [3, async () => await call('ann', 'DELETE', `/api/chat/messages/${known.messages.shift() ?? 'none'}`)],
      [1, async () => await call('ann', 'DELETE', `/api/chat/files/${known.free.shift() ?? 'none'}`)],
      [0.2, async () => { await call('ann', 'DELETE', `/api/chat/conversations/${known.conversationId}`); await group() }]
    ]
    const any = (): (() => Promise<unknown>) => {
      let left = rng.between(0, 13.2)
      return actions.find(([weight]) => (left -= weight) < 0)?.[1] ?? upload
    }
    for (let round = 0; round <= kills; round++) {
      const until = Math.ceil(operations * (round + 1) / (kills + 1))
      // While this operation and three others are under way.
      const killAt = round < kills ? rng.integer(made + 1, until) : Infinity
      let killed: Promise<unknown> | undefined
      await Promise.all(Array.from({ length: 4 }, async () => {
        while (made < until) {
          const operation = any()()
          if (++made === killAt) killed = server.kill()
          await operation
        }
      }))
      await killed
      if (round < kills) await server.start()
    }
    await server.kill()
    return { operations: made, ...await clearedUp(file, dir) }
  } finally {
    await server.dispose()
    rmSync(folder, { recursive: true, force: true })
  }
}
