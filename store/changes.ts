import type { Emission } from '../hub/emission.js'
import type { ChatEvents } from '../schemas/events.js'
import type { Transaction } from './event-log.js'
import type { Quota } from './quotas.js'
import type { ConversationRow, EventRow, MessageRow, ParticipantRow, StreamRow, UserRow } from './rows.js'

/** What one transaction changes and tells, gathered from its commands. */
export class Changes {
  /** Number of changes so far, what is to be told included. */
  count = 0
  /** What to tell after the commit, in the order of the commands. */
  readonly emissions: Array<Emission<ChatEvents>> = []
  /** This transaction in the event log, once it wrote to it. */
  logged: Transaction | undefined

  readonly newUsers = new Set<UserRow>()
  readonly changedUsers = new Set<UserRow>()
  readonly newConversations = new Set<ConversationRow>()
  /** Conversations whose counters are written, and those among them that move to the top of the list. */
  readonly touched = new Set<ConversationRow>()
  readonly active = new Set<ConversationRow>()
  /** When what this transaction does in a conversation happens. */
  readonly instants = new Map<ConversationRow, number>()
  readonly newParticipants = new Set<ParticipantRow>()
  readonly changedParticipants = new Set<ParticipantRow>()
  readonly removedParticipants = new Set<ParticipantRow>()
  /** Those who left with marks that say something. */
  readonly leavers: ParticipantRow[] = []
  /** By user: how many conversations more they participate in. */
  readonly moreConversations = new Map<string, number>()
  readonly groupsMade = new Map<string, Quota>()
  readonly newMessages: MessageRow[] = []
  readonly changedMessages = new Set<MessageRow>()
  readonly newStreams = new Set<StreamRow>()
  readonly changedStreams = new Set<StreamRow>()
  readonly closedStreams = new Set<string>()
  readonly events: Array<{ row: EventRow, emission: Emission<ChatEvents> }> = []
  /** Emissions whose topics, the conversations of a user, are looked up when all is written. */
  readonly toContacts: Array<{ userId: string, emission: Emission<ChatEvents> & { topics: string[] } }> = []
  /** Larger conversations hear nothing of their participants. The same for all of `toContacts`. */
  contactsMax = 0

  countConversation (userId: string, more: number): void {
    this.moreConversations.set(userId, (this.moreConversations.get(userId) ?? 0) + more)
  }
}
