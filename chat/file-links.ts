import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Database } from '../store/database.js'
import { findFileKey, setFileKey } from '../store/file-rows.js'
import type { Writer } from '../store/writer.js'

/** What of a file is downloaded. */
export type Variant = 'file' | 'thumbnail'

/** The parameters of a signed URL: when it expires in seconds (by the shared clock), the variant, and the signature. */
export interface Link { e: string, v: string, s: string }

/** URLs expire at multiples of this, so that all that are made within it are the same, and browsers can cache what they lead to. */
const GRID_S = 300
/** How long a URL is valid: from one to this many steps of the grid. */
const STEPS = 2

/** Signs URLs of files. They need no token, and are valid for five to ten minutes on every node. */
export class FileLinks {
  readonly #database: Database
  readonly #writer: Writer
  #key: Promise<Buffer> | undefined

  constructor (database: Database, writer: Writer) {
    this.#database = database
    this.#writer = writer
  }

  /** Returns the parameters for each variant, and how long they are valid, in milliseconds. */
  async sign (fileId: string): Promise<Record<Variant, Link> & { lifeMs: number }> {
    const key = await this.#loadKey()
    const ticks = this.#database.clock.ticks()
    const expiry = (Math.floor(ticks / 1000 / GRID_S) + STEPS) * GRID_S
    const link = (v: Variant): Link => ({ e: String(expiry), v, s: signatureOf(key, fileId, String(expiry), v) })
    return { file: link('file'), thumbnail: link('thumbnail'), lifeMs: expiry * 1000 - ticks }
  }

  /** Returns which variant a URL is for. Undefined if anything in it was changed, or it has expired. */
  async verify (fileId: string, { e, v, s }: Link): Promise<Variant | undefined> {
    const key = await this.#loadKey()
    const [given, own] = [Buffer.from(s), Buffer.from(signatureOf(key, fileId, e, v))]
    if (given.length !== own.length || !timingSafeEqual(given, own)) return undefined
    const leftS = Number(e) - this.#database.clock.ticks() / 1000
    // If more is left than a URL ever has, the clock was set back.
    if (!(leftS > 0 && leftS <= GRID_S * STEPS + 1)) return undefined
    return v === 'file' || v === 'thumbnail' ? v : undefined
  }

  async #loadKey (): Promise<Buffer> {
    this.#key ??= this.#findKey().catch((error: unknown) => {
      this.#key = undefined
      throw error
    })
    return await this.#key
  }

  /** All nodes use the key of the one that was first. */
  async #findKey (): Promise<Buffer> {
    const known = await findFileKey(this.#database)
    if (known !== null) return Buffer.from(known, 'base64url')
    await this.#writer.beside(async sql => { await setFileKey(sql, randomBytes(32).toString('base64url')) })
    return Buffer.from(await findFileKey(this.#database) ?? '', 'base64url')
  }
}

const signatureOf = (key: Buffer, fileId: string, e: string, v: string): string =>
  createHmac('sha256', key).update(JSON.stringify([fileId, e, v])).digest('base64url')
