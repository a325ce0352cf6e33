import type { Emission } from '../hub/emission.js'
import type { ChatEvents } from '../schemas/events.js'
import type { Transaction } from './event-log.js'
import type { Quota } from './quotas.js'
import type { ConversationRow, EventRow, MessageRow, ParticipantRow, StreamRow, UserRow } from './rows.js'
import type { Table } from './table.js'

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

  countConversation (userId: string, more: number): void {
    this.moreConversations.set(userId, (this.moreConversations.get(userId) ?? 0) + more)
  }
}
