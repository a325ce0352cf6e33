import type { Emission } from '../hub/emission.js'
import type { ChatEvents } from '../schemas/events.js'
import type { ReceiptStatus } from '../schemas/messages.js'
import type { Transaction } from './event-log.js'
import type { Move } from './moves.js'
import type { OwnStateRow, Pending } from './own-states.js'
import type { Quota } from './quotas.js'
import type { ConversationRow, EventRow, MessageRow, ParticipantRow, StreamRow, UserRow } from './rows.js'
import type { Table } from './table.js'

export interface ChangedRows { deleted: object[], changed: Set<object>, inserted: object[] }

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
  /** By user: how many changes of their private state there are. */
  readonly stateChanges = new Map<string, number>()
  readonly changedOwnStates = new Set<OwnStateRow>()
  /** Unread counts that are looked up after everything is written. */
  readonly uncounted: Pending[] = []
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
  /** Rows of tables without code of their own. They are deleted first, by the values of some fields, and inserted last. */
  readonly rows = new Map<Table<unknown>, ChangedRows>()
  /** Watermarks that moved, by kind and participant: one move each, however often it was moved. */
  readonly moves: Record<ReceiptStatus, Map<ParticipantRow, Move>> = { delivered: new Map(), read: new Map() }
  /** Files that a message no longer has. Those that no other message has are given up. */
  readonly releasedFiles = new Set<string>()
  readonly newStreams = new Set<StreamRow>()
  readonly changedStreams = new Set<StreamRow>()
  readonly closedStreams = new Set<string>()
  readonly events: Array<{ row: EventRow, emission: Emission<ChatEvents> }> = []
  /** Emissions whose topics are the conversations of a user. These are looked up after everything is written, and whom the user blocks. */
  readonly toContacts: Array<{ userId: string, emission: Emission<ChatEvents> & { topics: string[] }, isPresence: boolean }> = []
  /** Maximum size of those conversations. The same for all of `toContacts`. */
  contactsMax = 0

  insertRow (table: Table<unknown>, row: object): void {
    this.#rowsOf(table).inserted.push(row)
  }

  changeRow (table: Table<unknown>, row: object): void {
    const rows = this.#rowsOf(table)
    if (!rows.inserted.includes(row)) rows.changed.add(row)
  }

  /** Also deletes those that this transaction has inserted so far. */
  deleteRows (table: Table<unknown>, values: object): void {
    const rows = this.#rowsOf(table)
    const wanted = Object.entries(values)
    const isOther = (row: object): boolean => wanted.some(([field, value]) => (row as Record<string, unknown>)[field] !== value)
    rows.inserted = rows.inserted.filter(isOther)
    rows.changed = new Set([...rows.changed].filter(isOther))
    rows.deleted.push(values)
  }

  #rowsOf (table: Table<unknown>): ChangedRows {
    this.count++
    let rows = this.rows.get(table)
    if (rows === undefined) this.rows.set(table, rows = { deleted: [], changed: new Set(), inserted: [] })
    return rows
  }

  /** Drops what is logged and emitted of a conversation. */
  forget (conversation: ConversationRow): void {
    const isOf = ({ topics }: Emission<ChatEvents>): boolean => topics.length === 1 && topics[0] === conversation.id
    this.emissions.splice(0, Infinity, ...this.emissions.filter(emission => !isOf(emission)))
    this.events.splice(0, Infinity, ...this.events.filter(({ row }) => row.conversation !== conversation))
    this.touched.delete(conversation)
  }

  /** Counts a change of a user's private state. */
  countStateChange (userId: string): void {
    this.count++
    this.stateChanges.set(userId, (this.stateChanges.get(userId) ?? 0) + 1)
  }

  countConversation (userId: string, more: number): void {
    this.moreConversations.set(userId, (this.moreConversations.get(userId) ?? 0) + more)
  }
}
