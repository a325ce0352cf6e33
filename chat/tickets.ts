import { createHash, randomBytes } from 'node:crypto'
import { chatError } from '../errors.js'
import { isoTime } from '../schemas/common.js'
import type { Ticket } from '../schemas/streams.js'
import type { SharedClock } from '../store/shared-clock.js'
import type { Writer } from '../store/writer.js'
import type { Caller } from './users.js'

/** A ticket is good for so long, once, in milliseconds. */
export const TICKET_MS = 30_000
/** Unused tickets of one user; the next is refused. */
export const TICKETS_MAX = 100

/** What stands behind a ticket: who asked for it, and what for. */
export interface TicketHolder {
  userId: string
  /** Null: any stream of the user's. */
  conversationId: string | null
  /** Epoch milliseconds; the stream ends with the token that asked for the ticket. */
  expiresAt: number | null
}

const keyOf = (ticket: string): string => createHash('sha256').update(ticket).digest('base64url')

/** One-time stand-ins for a token in a stream's URL, where URLs are logged and remembered. Only their hashes are kept. */
export class Tickets {
  readonly #writer: Writer
  readonly #clock: SharedClock

  constructor (writer: Writer, clock: SharedClock) {
    this.#writer = writer
    this.#clock = clock
  }

  /** @throws TOO_MANY_REQUESTS */
  async issue ({ userId, expiresAt }: Pick<Caller, 'userId' | 'expiresAt'>, conversationId: string | null): Promise<Ticket> {
    const ticket = randomBytes(24).toString('base64url')
    const now = this.#clock.ticks()
    await this.#writer.beside(async sql => {
      await sql.execute('DELETE FROM chat_tickets WHERE expires_at <= ?', now)
      const unused = await sql.query('SELECT id FROM chat_tickets WHERE user_id = ? LIMIT ?', userId, TICKETS_MAX)
      if (unused.length >= TICKETS_MAX) throw chatError('TOO_MANY_REQUESTS', { retryAfter: TICKET_MS / 1000 })
      await sql.execute('INSERT INTO chat_tickets (id, user_id, conversation_id, expires_at, token_expires_at) VALUES (?, ?, ?, ?, ?)',
        keyOf(ticket), userId, conversationId, now + TICKET_MS, expiresAt)
    })
    return { ticket, expiresAt: isoTime(this.#clock.now() + TICKET_MS) }
  }

  /** @throws INVALID_TICKET when it is unknown, used, expired, or for something else */
  async redeem (ticket: string, conversationId: string | null): Promise<TicketHolder> {
    const [row] = await this.#writer.beside(async sql => await sql.query<Record<string, never>>(
      'DELETE FROM chat_tickets WHERE id = ? AND expires_at > ? RETURNING user_id, conversation_id, token_expires_at', keyOf(ticket), this.#clock.ticks()))
    if (row === undefined || (row.conversation_id !== null && row.conversation_id !== conversationId)) throw chatError('INVALID_TICKET')
    return {
      userId: row.user_id!,
      conversationId: row.conversation_id!,
      expiresAt: row.token_expires_at === null ? null : Number(row.token_expires_at)
    }
  }
}
