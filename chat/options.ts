import type { Audience, SearchUsers } from './directory.js'
import type { BeforeHook } from './hooks/before.js'
import type { HookFailure } from './hooks/call.js'
import type { ResolveUsers } from './hooks/resolve-users.js'
import type { FilesOptions } from './files.js'
import type { OnEvent } from './followers/host-follower.js'
import type { OnRefused } from './pending.js'
import type { TargetRules } from './webhooks/addresses.js'

/** What a host decides in the chat's place. */
export interface ChatHooks {
  /** Is asked before a user does something: it allows it, changes it or refuses it. */
  before?: BeforeHook
  /** Looks up users whom the chat does not know, in the host's own table. Those that it returns become users of the chat. */
  resolveUsers?: ResolveUsers
  /** Finds users for `GET /users`, in the host's own table. */
  searchUsers?: SearchUsers
  /**
   * Gets every durable event, and `conversationDeleted`: at least once, in order within a conversation, and on one node at a time,
   * beginning with the first start that has this hook. Called again after a while if it throws; meanwhile no other event is handed over.
   */
  onEvent?: OnEvent
  /** Called when a message that was enqueued in a transaction of the host's is refused after all. */
  onRefused?: OnRefused
}

export interface ChatOptions {
  /** Open streams of one user, on all nodes. The next one is refused. Default 20. */
  maxStreamsPerUser?: number
  /** Conversations that a user may take part in, direct ones included. Default 10,000. */
  maxConversationsPerUser?: number
  /** Groups that a user may create in a day. Default 1,000. */
  maxGroupsPerDay?: number
  /** Days that events are kept in the log. Default: as long as the conversation. */
  eventRetentionDays?: number
  /** Days that it is kept when marks were set. Default 90. */
  receiptDays?: number
  /** Whether users are registered here, and so choose their names and pictures themselves. Default: false, they come with tokens. */
  accounts?: boolean
  /** Whom users find by name: those who share a conversation with them, everybody, or nobody. Default 'contacts'. */
  directory?: Audience
  /** Maximum length of a message's text, in code points, up to 16,000. Default 4,000. */
  maxTextLength?: number
  hooks?: ChatHooks
  /** Whether messages are indexed and can be searched. Default: true. */
  search?: boolean
  /** Milliseconds that `hooks.before` and `hooks.resolveUsers` may take. Default 2000. */
  hookTimeoutMs?: number
  /** What happens if they throw or take longer: the call is answered 503, or goes on. Default 'refuse'. */
  hookFailure?: HookFailure
  /** Is asked as `hooks.before` is, by a signed request. */
  beforeHook?: { url: string, secret: string }
  /** Where files are kept. Default: there are none. */
  files?: FilesOptions
  /** Where webhooks may lead. Default: to public addresses, by https. */
  webhooks?: Partial<TargetRules>
  /** Called with errors of work in the background. */
  onError?: (error: unknown) => void
}
