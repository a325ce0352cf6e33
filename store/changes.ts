import type { Emission } from '../hub/emission.js'
import type { ChatEvents } from '../schemas/events.js'
import type { Transaction } from './event-log.js'
import type { Quota } from './quotas.js'
import type { ConversationRow, EventRow, MessageRow, ParticipantRow, StreamRow, UserRow } from './rows.js'
import type { FieldOf, RowOf, Table, Written } from './table.js'

/** What one transaction changes and emits, collected from its commands. */
export class Changes {
  /** Number of changes so far, emissions included. */
  count = 0
  /** What to emit after the commit, in the order of the commands. */
  readonly emissions: Array<Emission<ChatEvents>> = []
  /** This transaction in the event log, once it has written to it. */
  logged: Transaction | undefined

  readonly newUsers = new Set<UserRow>()
  readonly changedUsers = new Set<UserRow>()
  readonly newConversations = new Set<ConversationRow>()
  readonly changedConversations = new Set<ConversationRow>()
  /** Conversations that are deleted with all that belongs to them, when everything else is written. */
  readonly deletedConversations = new Set<ConversationRow>()
  /** Users whose private state changes by that. */
  readonly changedStates = new Set<string>()
  /** Conversations whose counters are written, and the subset that moves to the top of the list. */
  readonly touched = new Set<ConversationRow>()
  readonly active = new Set<ConversationRow>()
  /** Instant of this transaction in each conversation (see `Unit.nowIn`). */
  readonly instants = new Map<ConversationRow, number>()
  readonly newParticipants = new Set<ParticipantRow>()
  readonly changedParticipants = new Set<ParticipantRow>()
  readonly removedParticipants = new Set<ParticipantRow>()
  /** Participants who left and whose marks have to be kept. */
  readonly leavers: ParticipantRow[] = []
  /** By user: the change in their number of conversations. */
  readonly moreConversations = new Map<string, number>()
  readonly groupsMade = new Map<string, Quota>()
  readonly newMessages: MessageRow[] = []
  readonly changedMessages = new Set<MessageRow>()
  /** Rows that the map does not hold, by table: those that are deleted, by the values of some fields, and then those that are inserted. */
  readonly rows = new Map<Table<unknown>, { deleted: object[], inserted: object[] }>()
  readonly newStreams = new Set<StreamRow>()
  readonly changedStreams = new Set<StreamRow>()
  readonly closedStreams = new Set<string>()
  readonly events: Array<{ row: EventRow, emission: Emission<ChatEvents> }> = []
  /** Emissions whose topics are the conversations of a user. They are looked up after everything is written. */
  readonly toContacts: Array<{ userId: string, emission: Emission<ChatEvents> & { topics: string[] } }> = []
  /** Maximum size of those conversations. The same for all of `toContacts`. */
  contactsMax = 0

  /** Inserts a row of a table that the map does not hold. Where there is one with this key, it stays. */
  insertRow<T extends Table<unknown>> (table: T, row: Written<RowOf<T>>): void {
    this.#rowsOf(table).inserted.push(row)
  }

  /** Deletes the rows that have these values, those that this transaction has inserted so far included. */
  deleteRows<T extends Table<unknown>, Field extends FieldOf<T>> (table: T, values: Written<RowOf<T, Field>>): void {
    const rows = this.#rowsOf(table)
    const wanted = Object.entries(values)
    rows.inserted = rows.inserted.filter(row => wanted.some(([field, value]) => (row as Record<string, unknown>)[field] !== value))
    rows.deleted.push(values)
  }

  #rowsOf (table: Table<unknown>): { deleted: object[], inserted: object[] } {
    this.count++
    let rows = this.rows.get(table)
    if (rows === undefined) this.rows.set(table, rows = { deleted: [], inserted: [] })
    return rows
  }

  /** Drops what is logged and emitted of a conversation. */
  forget (conversation: ConversationRow): void {
    const isOf = ({ topics }: Emission<ChatEvents>): boolean => topics.length === 1 && topics[0] === conversation.id
    this.emissions.splice(0, Infinity, ...this.emissions.filter(emission => !isOf(emission)))
    this.events.splice(0, Infinity, ...this.events.filter(({ row }) => row.conversation !== conversation))
    this.touched.delete(conversation)
  }

  countConversation (userId: string, more: number): void {
    this.moreConversations.set(userId, (this.moreConversations.get(userId) ?? 0) + more)
  }
}
