import { chatError } from '../../errors.js'
import { ConversationId, MessageId } from '../../schemas/common.js'
import type { Database } from '../../store/database.js'
import type { Followable } from '../../store/followable.js'
import type { MessagePlace, Queries } from '../../store/queries.js'
import type { Directory } from '../directory.js'
import type { Finishing } from '../finishing.js'
import type { Gate } from '../hooks/before.js'
import type { Presence } from '../presence.js'
import type { Quotas } from '../quotas.js'
import type { Typing } from '../typing.js'
import type { Users } from '../users.js'
import { assertPossible } from '../validation.js'

/** What the operations work with. */
export interface Parts {
  database: Database
  queries: Queries
  /** Every write goes through it, and says what the host is asked. */
  gate: Gate
  finishing: Finishing
  users: Users
  typing: Typing
  presence: Presence
  directory: Directory
  quotas: Quotas
  /** Whether users are registered here, and so choose their names and pictures themselves. */
  hasAccounts: boolean
  /** Whether messages may carry files. */
  hasFiles: boolean
  /** Maximum length of a message's text, in code points. */
  maxTextLength: number
}

/**
 * What all operations share. The classes of this folder are one face, `app.chat`, in a file for each resource. Each public method that
 * they add takes the caller first: `app.chat.as(userId)` has all of them, without it.
 */
export abstract class Operations {
  protected readonly parts: Parts

  constructor (parts: Parts) {
    this.parts = parts
  }

  protected async place (userId: string, messageId: string): Promise<MessagePlace> {
    assertPossible(MessageId, messageId)
    return found(await this.parts.queries.place(messageId, userId))
  }

  protected async access (userId: string, conversationId: string): Promise<Followable> {
    assertPossible(ConversationId, conversationId)
    return found(await this.parts.queries.access(conversationId, userId))
  }
}

/** @throws NOT_FOUND */
export function found<T> (value: T | undefined): T {
  if (value === undefined) throw chatError('NOT_FOUND')
  return value
}
