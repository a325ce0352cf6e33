/**
 * Fastify-sse-chat: realtime chat for any Fastify app.
 *
 *     import chat from 'fastify-sse-chat'
 *     await app.register(chat, { prefix: '/chat', jwt: { secret } })
 */
// For their declarations of Fastify's instance, which TypeScript would not load otherwise.
import './plugins/bus.js'
import './plugins/caller.js'
import './plugins/chat.js'

export { default, default as chat, type ChatAppOptions } from './app.js'
export { default as authPlugin, type JwtOptions } from './plugins/auth.js'
export type { HostAuthenticate, HostCaller } from './plugins/host-caller.js'
export { default as databasePlugin } from './plugins/database.js'
export { default as hubPlugin } from './plugins/hub.js'

export type { Chat } from './chat/chat.js'
export type { HostTransaction } from './chat/host-transaction.js'
export type { RefusedMessage } from './chat/pending.js'
export type { Action, Attempt, BeforeHook } from './chat/hooks/before.js'
export { refuse } from './chat/hooks/refuse.js'
export type { ResolveUsers } from './chat/hooks/resolve-users.js'
export type { Caller } from './chat/users.js'
export type { FollowerEvent } from './chat/followers/rendering.js'
export { chatError, isChatError, type ChatError } from './errors.js'
export type { Bus } from './hub/bus.js'
export type { Catalogue, Emission } from './hub/emission.js'
export { Hub, type EndReason, type HubOptions, type SubscribeOptions } from './hub/hub.js'
export type { Sink, Stream } from './hub/stream.js'
export type { Database, DatabaseOptions, PrismaReader } from './store/database.js'

export type * from './schemas/conversations.js'
export { errorCatalogue, type ErrorAnswer, type ErrorCode } from './schemas/errors.js'
export { eventCatalogue, type ChatEvents, type DisconnectReason, type FollowerEvents, type ResetReason } from './schemas/events.js'
export type * from './schemas/messages.js'
export type * from './schemas/search.js'
export type * from './schemas/streams.js'
export type * from './schemas/users.js'
