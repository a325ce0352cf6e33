import { Type, type Static } from 'typebox'
import { ConversationId, Cursor, Nullable, OneOf, Timestamp, WellFormed } from './common.js'
import { followerEvents, type FollowerEvents } from './events.js'

export const LANES_MAX = 16
const LANES = 4
const URL_MAX = 2000

const eventNames = Object.keys(followerEvents) as Array<keyof FollowerEvents>

const url = Type.String({
  minLength: 1,
  maxLength: URL_MAX,
  description: 'Where events are sent by POST: https, without credentials and fragment. Its name must resolve to public addresses only'
})
const events = Type.Array(OneOf(['*', ...eventNames]), { minItems: 1, maxItems: 100, description: 'Which events are sent; `*`: all' })
const description = Nullable(WellFormed({ maxLength: 500 }))

export const WebhookBody = Type.Object({
  url,
  events,
  lanes: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: LANES_MAX,
    default: LANES,
    description: 'Conversations are spread over lanes, each of which sends one request at a time'
  })),
  description: Type.Optional(description),
  secret: Type.Optional(Type.String({
    maxLength: 200,
    pattern: '^whsec_[A-Za-z0-9+/]+={0,2}$',
    description: '`whsec_` and 24 to 64 bytes in base64. Default: a new one is made'
  })),
  from: Type.Optional(OneOf(['now', 'start'], 'With which event it begins: with what comes next, or with the oldest that is kept. Default: now'))
}, { examples: [{ url: 'https://shop.example/chat-events', events: ['message', 'messageDeleted'], lanes: 2, description: 'Orders' }] })
export type WebhookBody = Static<typeof WebhookBody>

export const WebhookChanges = Type.Object({
  url: Type.Optional(url),
  events: Type.Optional(events),
  enabled: Type.Optional(Type.Boolean({ description: 'A disabled webhook keeps its place: it goes on there once it is enabled' })),
  description: Type.Optional(description)
}, { examples: [{ enabled: true, events: ['*'] }] })
export type WebhookChanges = Static<typeof WebhookChanges>

const of = {
  id: Type.String(),
  url: Type.String(),
  events: Type.Array(Type.String()),
  enabled: Type.Boolean(),
  description: Nullable(Type.String())
}
const secret = Type.String({ description: 'Signs requests. Shown this once' })

export const NewWebhook = Type.Object({ ...of, lanes: Type.Integer(), secret })
export type NewWebhook = Static<typeof NewWebhook>

export const WebhookLane = Type.Object({
  lane: Type.Integer({ description: '0, 1, 2 …' }),
  position: Type.Integer({ description: 'Number of the newest transaction of the event log that it is done with' }),
  behind: Type.Integer({ description: 'Number of transactions between there and the end of the log' }),
  failingSince: Nullable(Timestamp),
  lastError: Nullable(Type.String({ description: '`HTTP 500`, `timeout`, `private_address`, `ECONNREFUSED` …' })),
  nextAttemptAt: Nullable(Timestamp),
  gap: Type.Boolean({ description: 'Events were deleted from the log that it had not come to' })
})

export const Webhook = Type.Object({ ...of, lanes: Type.Array(WebhookLane) })
export type Webhook = Static<typeof Webhook>
export const WebhookList = Type.Object({ webhooks: Type.Array(Webhook) })
export const NewSecret = Type.Object({ secret })

export const Delivery = Type.Object({
  delivered: Type.Boolean(),
  statusCode: Nullable(Type.Integer()),
  durationMs: Type.Integer(),
  error: Nullable(Type.String())
})
export type Delivery = Static<typeof Delivery>

export const SkipBody = Type.Object({ lane: Type.Integer({ minimum: 0, maximum: LANES_MAX - 1 }) }, { examples: [{ lane: 0 }] })
export type SkipBody = Static<typeof SkipBody>
export const Skipped = Type.Object({ skipped: Nullable(Type.String({ description: 'Id of the event that blocked the lane; null: none did' })) })

export const DeadQuery = Type.Object({ cursor: Type.Optional(Cursor) })
export const DeadPage = Type.Object({
  dead: Type.Array(Type.Object({
    eventId: Type.String({ description: 'The `webhook-id` of the request' }),
    type: Type.String(),
    conversationId: ConversationId,
    eventSeq: Type.Integer(),
    at: Timestamp,
    error: Type.String()
  })),
  nextCursor: Nullable(Type.String())
})
export type DeadPage = Static<typeof DeadPage>
