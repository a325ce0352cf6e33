import { chatError } from '../errors.js'
import type { Clock } from '../hub/clock.js'
import { ConversationId, isoTime } from '../schemas/common.js'
import type { OnlineStatusAnswer } from '../schemas/users.js'
import type { Resumable } from '../store/followable.js'
import type { Queries } from '../store/queries.js'
import { blocks } from '../store/tables.js'
import type { StreamRow, Unit, UserRow } from '../store/unit.js'
import type { Command, Writer } from '../store/writer.js'
import { Alarms } from './alarms.js'
import type { Background } from './background.js'
import { tellHidden, tellOnline } from './contacts.js'
import { CHANGE_EVERY_MS, OnlineNews } from './online-news.js'
import { isValid } from './validation.js'

/** A user stays online this long after their last stream has closed, in milliseconds. */
const ONLINE_GRACE_MS = 15_000
/** A user who says `isOnline: true` without a stream stays online this long, in milliseconds. */
export const ONLINE_LEASE_MS = 90_000

/** Who is online: users with an open stream, users who said so, and both for a while afterwards, unless they hide. */
export class Presence {
  readonly #queries: Queries
  readonly #writer: Writer
  readonly #background: Background
  /** What of it others have been told. */
  readonly news = new OnlineNews()
  /** Alarms for an online status that lapses. */
  readonly #lapses: Alarms
  /** Alarms for changes that are announced later. */
  readonly #tellings: Alarms

  constructor (queries: Queries, writer: Writer, background: Background, clock: Clock) {
    this.#queries = queries
    this.#writer = writer
    this.#background = background
    this.#lapses = new Alarms(clock)
    this.#tellings = new Alarms(clock)
  }

  async set (userId: string, isOnline: boolean): Promise<OnlineStatusAnswer> {
    const answer = await this.#writer.write(setOnline(userId, isOnline, this.news))
    if (isOnline) this.#settleIn(ONLINE_LEASE_MS, userId)
    if (this.news.owed(userId) !== undefined) this.#tellLater(userId)
    return answer
  }

  /** Call it when a user may have no stream any more. */
  streamClosed ({ userId }: StreamRow): void {
    this.#settleIn(ONLINE_GRACE_MS, userId)
  }

  /** Ends what another node's alarm should have ended. */
  async endLapsed (ticks: number): Promise<void> {
    const userIds = await this.#queries.lapsedOnline(ticks)
    await Promise.all(userIds.map(async userId => await this.#writer.write(settleOnline(userId))))
  }

  #settleIn (ms: number, userId: string): void {
    this.#lapses.set(userId, ms, () => {
      this.#background.run(async () => { await this.#writer.write(settleOnline(userId)) })
    })
  }

  #tellLater (userId: string): void {
    const tell = (): void => {
      this.#background.run(async () => {
        await this.#writer.write(tellOwed(userId, this.news)).finally(() => { this.news.settled(userId) })
      })
    }
    if (!this.#tellings.set(userId, CHANGE_EVERY_MS, tell)) tell()
  }
}

/**
 * Counts a stream as open, which makes its user online.
 * @returns the version of the user's private state
 * @throws TOO_MANY_STREAMS
 */
export function openStream (stream: StreamRow, maxPerUser: number): Command<{ userVersion: number }> {
  return {
    needs (keys) {
      keys.presence(stream.userId)
    },
    apply (unit) {
      const user = unit.user(stream.userId)
      if (user === undefined) throw chatError('NOT_FOUND')
      const opened = { userVersion: user.stateVersion }
      const streams = unit.streamsOf(user.id)
      // Counted already, by a transaction whose commit was not confirmed.
      if (streams.some(({ id }) => id === stream.id)) return opened
      if (streams.length >= maxPerUser) throw chatError('TOO_MANY_STREAMS', { retryAfter: 30 })
      unit.openStream(stream)
      if (user.onlineUntil !== null) unit.changeUser(user, { onlineUntil: null })
      if (!user.isHidden && !user.isOnline) {
        unit.changeUser(user, { isOnline: true, lastSeen: seenNow(unit, user) })
        tellOnlineStatus(unit, user)
      }
      return opened
    }
  }
}

/**
 * Counts a stream of one conversation as open, if the user takes part in the conversation. Membership and the event that the
 * stream resumes after are read in the same transaction.
 * @throws NOT_FOUND, TOO_MANY_STREAMS
 */
export function openStreamOf (
  conversationId: string, stream: StreamRow, maxPerUser: number, after: number
): Command<Resumable & { userVersion: number }> {
  const open = openStream(stream, maxPerUser)
  const isPossible = isValid(ConversationId, conversationId)
  return {
    needs (keys) {
      if (isPossible) keys.resumable(conversationId, stream.userId, after)
      open.needs(keys)
    },
    apply (unit) {
      const conversation = isPossible ? unit.resumable(conversationId, stream.userId, after) : undefined
      if (conversation === undefined) throw chatError('NOT_FOUND')
      return { ...conversation, ...open.apply(unit) }
    }
  }
}

/** Counts a stream as closed. When it was the user's last one, they stay online for `ONLINE_GRACE_MS`. */
export function closeStream (userId: string, streamId: string): Command<{ last: boolean }> {
  return {
    needs (keys) {
      keys.presence(userId)
    },
    apply (unit) {
      unit.closeStream(userId, streamId)
      const user = unit.user(userId)
      const last = unit.streamsOf(userId).length === 0
      if (user !== undefined && last && !user.isHidden) {
        unit.changeUser(user, { onlineUntil: unit.ticks + ONLINE_GRACE_MS, lastSeen: seenNow(unit, user) })
      }
      return { last }
    }
  }
}

/** Counts a stream as closed if it was counted as open. One that never was must not change the user's status. */
export function closeStreamIfCounted (userId: string, streamId: string): Command<void> {
  const close = closeStream(userId, streamId)
  return {
    needs: close.needs,
    apply (unit) {
      if (unit.streamsOf(userId).some(({ id }) => id === streamId)) close.apply(unit)
    }
  }
}

/** Counts a stream of a dead process as closed, unless the process has come back. */
export function closeDeadStream (userId: string, streamId: string): Command<void> {
  const close = closeStream(userId, streamId)
  return {
    needs: close.needs,
    apply (unit) {
      if (!unit.streamsOf(userId).some(({ id }) => id === streamId)) close.apply(unit)
    }
  }
}

/** Whether one end is later than another; null means never. */
export const isLater = (end: number | null, other: number | null): boolean => other !== null && (end === null || end > other)

/**
 * Extends a stream to the end of a new token.
 * @returns when the stream ends now, in epoch milliseconds, or null for never
 * @throws NOT_FOUND when the user has no such stream on a living node
 */
export function renewStream (userId: string, streamId: string, expiresAt: number | null): Command<number | null> {
  return {
    needs (keys) {
      keys.presence(userId)
    },
    apply (unit) {
      const stream = unit.streamsOf(userId).find(({ id }) => id === streamId)
      if (stream === undefined) throw chatError('NOT_FOUND')
      if (isLater(expiresAt, stream.expiresAt)) unit.changeStream(stream, { expiresAt })
      return stream.expiresAt
    }
  }
}

/** Shows the user as online, or hides them. `news` limits how often this is announced. */
function setOnline (userId: string, isOnline: boolean, news: OnlineNews): Command<OnlineStatusAnswer> {
  return {
    needs (keys) {
      keys.presence(userId)
    },
    apply (unit) {
      const user = unit.user(userId)
      if (user === undefined) throw chatError('NOT_FOUND')
      const before = user.isOnline
      unit.changeUser(user, {
        isOnline,
        isHidden: !isOnline,
        onlineUntil: isOnline && unit.streamsOf(userId).length === 0 ? unit.ticks + ONLINE_LEASE_MS : null,
        lastSeen: isOnline || before ? seenNow(unit, user) : user.lastSeen
      })
      if (before !== isOnline && news.mayTell(userId, isOnline, unit.now)) tellOnlineStatus(unit, user)
      return { userId, isOnline, lastSeen: lastSeenOf(user) }
    }
  }
}

/**
 * Announces the user's online status if it differs from the one that was announced last. Whom the user has blocked meanwhile, on another
 * node, is told that the user is offline, too: that node did not know that they had been told something else.
 */
function tellOwed (userId: string, news: OnlineNews): Command<void> {
  return {
    needs (keys) {
      keys.user(userId)
      keys.rows(blocks, { userId })
    },
    apply (unit) {
      const user = unit.user(userId)
      const owed = news.owed(userId)
      if (user === undefined || owed === undefined || user.isOnline === owed.told) return
      tellOnlineStatus(unit, user)
      if (!owed.told) return
      for (const { blockedId, createdAt } of unit.rows(blocks, { userId })) {
        if (createdAt >= owed.since && !owed.knowing.has(blockedId)) {
          tellHidden(unit, { userId, isOnline: false, lastSeen: null, timestamp: isoTime(unit.now) }, blockedId)
        }
      }
    }
  }
}

/** Shows a user as offline whose deadline has passed, unless they have an open stream. */
function settleOnline (userId: string): Command<void> {
  return {
    needs (keys) {
      keys.presence(userId)
    },
    apply (unit) {
      const user = unit.user(userId)
      if (user?.onlineUntil == null || user.onlineUntil > unit.ticks) return
      const before = user.isOnline
      unit.changeUser(user, { onlineUntil: null, isOnline: !user.isHidden && unit.streamsOf(userId).length > 0 })
      if (before !== user.isOnline) tellOnlineStatus(unit, user)
    }
  }
}

/** `lastSeen` never goes back. */
const seenNow = (unit: Unit, { lastSeen }: Pick<UserRow, 'lastSeen'>): number => Math.max(unit.now, lastSeen ?? 0)

const lastSeenOf = ({ lastSeen }: Pick<UserRow, 'lastSeen'>): string | null => lastSeen === null ? null : isoTime(lastSeen)

function tellOnlineStatus (unit: Unit, user: UserRow): void {
  tellOnline(unit, { userId: user.id, isOnline: user.isOnline, lastSeen: lastSeenOf(user), timestamp: isoTime(seenNow(unit, user)) })
}
