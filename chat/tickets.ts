import { hash, randomBytes } from 'node:crypto'
import { chatError } from '../errors.js'
import { isoTime } from '../schemas/common.js'
import type { Ticket } from '../schemas/streams.js'
import type { SharedClock } from '../store/shared-clock.js'
import { countTickets, deleteExpiredTickets, putTicket, takeTicket } from '../store/tickets.js'
import type { Writer } from '../store/writer.js'
import type { Caller } from './users.js'

/** How long a ticket is valid, in milliseconds. It can be used once. */
export const TICKET_MS = 30_000
/** The most unused tickets of one user. The next one is refused. */
export const TICKETS_MAX = 100

/** What a ticket stands for: who requested it, and for which stream. */
export interface TicketHolder {
  userId: string
  /** Null for any stream of the user. */
  conversationId: string | null
  /** In epoch milliseconds. The stream ends when the token expires that requested the ticket. */
  expiresAt: number | null
}

const keyOf = (ticket: string): string => hash('sha256', ticket, 'base64url')

/** Tickets replace a token in the URL of a stream, because URLs are logged and stored. Only their hashes are stored. */
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
    await this.#writer.exclusiveBeside(async prisma => {
      await deleteExpiredTickets(prisma, now)
      if (await countTickets(prisma, userId, TICKETS_MAX) >= TICKETS_MAX) throw chatError('TOO_MANY_REQUESTS', { retryAfter: TICKET_MS / 1000 })
      await putTicket(prisma, { id: keyOf(ticket), userId, conversationId, expiresAt: now + TICKET_MS, tokenExpiresAt: expiresAt })
    })
    return { ticket, expiresAt: isoTime(this.#clock.now() + TICKET_MS) }
  }

  /** @throws INVALID_TICKET if it is unknown, used, expired, or for another stream */
  async redeem (ticket: string, conversationId: string | null): Promise<TicketHolder> {
    const held = await this.#writer.beside(async sql => await takeTicket(sql, keyOf(ticket), this.#clock.ticks()))
    if (held === undefined || (held.conversationId !== null && held.conversationId !== conversationId)) throw chatError('INVALID_TICKET')
    return { userId: held.userId, conversationId: held.conversationId, expiresAt: held.tokenExpiresAt }
  }
}
