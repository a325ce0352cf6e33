import type { IncomingMessage } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { Intake } from '../../files/intake.js'
import { readFilePart } from '../../plugins/multipart.js'
import { multipart } from './upload.js'

// `npm run bench -- files` measures forty uploads of 25 MB in a process of its own.

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const UPLOADS = 6
const BYTES = 8 * 1024 * 1024
const PIECE_BYTES = 64 * 1024

t.test('uploads are written to the disk as they come in', async t => {
  const scratch = mkdtempSync(join(tmpdir(), 'chat-memory-'))
  t.teardown(() => { rmSync(scratch, { recursive: true, force: true }) })
  const intake = new Intake({ scratch, maxBytes: BYTES, types: [], thumbnails: undefined })
  const { payload, headers } = multipart([{ name: 'x.txt', bytes: '@' }])
  const [head, tail] = String(payload).split('@') as [string, string]
  let most = 0
  let given = 0
  /** A request whose body comes in as fast as it is read. */
  const request = (): IncomingMessage => Object.assign(Readable.from((function * () {
    yield Buffer.from(head)
    for (let left = BYTES; left > 0; left -= PIECE_BYTES) {
      if (++given % 64 === 0) {
        collect()
        most = Math.max(most, process.memoryUsage().arrayBuffers)
      }
      yield Buffer.alloc(PIECE_BYTES, 'x')
    }
    yield Buffer.from(tail)
  })(), { objectMode: false, highWaterMark: PIECE_BYTES }), { headers, complete: true, socket: {} }) as unknown as IncomingMessage
  collect()
  const before = process.memoryUsage().arrayBuffers
  await Promise.all(Array.from({ length: UPLOADS }, async () => {
    const { name, content } = await readFilePart(request(), { pauseMs: 60_000, totalMs: 600_000 })
    const { size, type } = await intake.receive(name, content as AsyncIterable<Uint8Array>, new AbortController().signal)
    t.strictSame([size, type], [BYTES, 'text/plain'])
  }))
  const grown = (most - before) / 1024 / 1024
  t.ok(grown < 12, `${grown.toFixed(1)} MiB in buffers, of ${UPLOADS * BYTES / 1024 / 1024} that came in`)
})
