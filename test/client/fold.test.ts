import { test } from 'tap'
import { createPeople } from '../../client/live/people.js'
import { createTimeline } from '../../client/live/timeline.js'
import type { StreamEvent } from '../../client/options.js'
import type { OwnMessage } from '../../schemas/messages.js'
import { message, messageEvent, quote, reactionEvent } from './made.js'

// The service's rules in short: what each write does to the messages, and the event that tells it. The client is given a
// snapshot of some time, and the events from some time before it on; it must end where the service has.

const USERS = ['alice', 'bob', 'carol']
const EMOJI = ['👍', '❤️', '🎉']

/** A generator of numbers that the seed repeats (mulberry32). */
function randomOf (seed: number) {
  return (below: number): number => {
    seed = (seed + 0x6d2b79f5) | 0
    let n = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    n = (n + Math.imul(n ^ (n >>> 7), 61 | n)) ^ n
    return ((n ^ (n >>> 14)) >>> 0) % below
  }
}

interface Kept { shared: OwnMessage, replyTo: Kept | null, who: Map<string, Set<string>> }

class Service {
  readonly kept: Kept[] = []
  /** What each event is about: it is rendered when it is told. */
  readonly log: { type: 'message' | 'messageUpdated' | 'messageDeleted' | 'reaction', about: Kept, userId: string, emoji: string, live: StreamEvent }[] = []

  render ({ shared, replyTo, who }: Kept): OwnMessage {
    const own = shared.reactions.filter(({ emoji }) => who.get(emoji)?.has('alice')).map(({ emoji }) => emoji)
    return { ...shared, replyTo: replyTo && quote(replyTo.shared), myReactions: own }
  }

  history = (): OwnMessage[] => this.kept.map((kept) => this.render(kept))

  event (type: Service['log'][number]['type'], about: Kept, userId: string, emoji: string, eventSeq: number): StreamEvent {
    const { shared, who } = about
    if (type !== 'reaction') return [type, { ...messageEvent(eventSeq, this.render(about)), eventSeq }, null]
    const reacted = shared.deletedAt === null && who.get(emoji)?.has(userId) === true
    return [type, reactionEvent(shared.seq, userId, emoji, reacted, shared.reactions, eventSeq), null]
  }

  tell (type: Service['log'][number]['type'], about: Kept, userId: string, emoji = ''): void {
    this.log.push({ type, about, userId, emoji, live: this.event(type, about, userId, emoji, this.log.length + 1) })
  }

  /** The events after a cursor, as they were told, or as a replay renders them now. */
  since (cursor: number, replayed: boolean): StreamEvent[] {
    return this.log.slice(cursor).map(({ type, about, userId, emoji, live }, i) =>
      replayed ? this.event(type, about, userId, emoji, cursor + i + 1) : live)
  }

  write (random: (below: number) => number): void {
    const userId = USERS[random(3)] ?? ''
    const about = this.kept[random(this.kept.length)]
    const at = new Date(Date.UTC(2026, 0, 15) + this.log.length).toISOString()
    const what = random(10)
    if (about === undefined || what < 3) {
      const replyTo = about !== undefined && about.shared.deletedAt === null && random(3) > 0 ? about : null
      const kept = { shared: message(this.kept.length + 1, { senderId: userId, clientId: `${this.log.length}` }), replyTo, who: new Map<string, Set<string>>() }
      if (replyTo !== null) replyTo.shared = { ...replyTo.shared, replyCount: replyTo.shared.replyCount + 1 }
      this.kept.push(kept)
      this.tell('message', kept, userId)
    } else if (about.shared.deletedAt !== null) {
      // What is deleted stays as it is
    } else if (what < 5) {
      about.shared = { ...about.shared, text: `${random(1000)}`, editedAt: at, mentions: [{ userId: USERS[random(3)] ?? '', displayName: 'x', start: null, length: null }] }
      this.tell('messageUpdated', about, about.shared.senderId)
    } else if (what < 6) {
      about.shared = { ...about.shared, text: '', mentions: [], reactions: [], deletedAt: at, deletedBy: about.shared.senderId }
      about.who.clear()
      const { replyTo } = about
      if (replyTo !== null) replyTo.shared = { ...replyTo.shared, replyCount: replyTo.shared.replyCount - 1 }
      this.tell('messageDeleted', about, about.shared.senderId)
    } else {
      const emoji = EMOJI[random(3)] ?? ''
      const who = about.who.get(emoji) ?? new Set()
      about.who.set(emoji, who)
      const { reactions } = about.shared
      const known = reactions.some((reaction) => reaction.emoji === emoji)
      if (!who.delete(userId)) who.add(userId)
      const after = known ? reactions : [...reactions, { emoji, count: 0 }]
      const counted = after.map((reaction) => reaction.emoji === emoji ? { emoji, count: who.size } : reaction)
      about.shared = { ...about.shared, reactions: counted.filter(({ count }) => count > 0) }
      this.tell('reaction', about, userId, emoji)
    }
  }
}

const shownOf = (timeline: ReturnType<typeof createTimeline>): unknown[] => timeline.view().map(({ key, own, error, uploads, ...message }) => message)

test('a snapshot and the events from before it on end where the service has', async (t) => {
  for (let seed = 0; seed < 400; seed++) {
    const random = randomOf(seed)
    const service = new Service()
    const timeline = createTimeline('c', () => ({ userId: 'alice', user: null, blocked: new Set() }), createPeople())
    const run = (writes: number) => { while (writes-- > 0) service.write(random) }
    run(1 + random(20))
    const cursor = service.log.length
    const since = timeline.mark()
    let told = cursor
    /** Tells events up to a number, as they happened. */
    const tell = (to: number) => { for (const event of service.since(told, false).slice(0, to - told)) timeline.hear(event); told = to }
    timeline.take(service.history(), since)
    run(random(20))
    tell(told + random(service.log.length - told + 1))
    // A response that is rendered now: the events up to now arrive before it, or after it.
    const asked = timeline.mark()
    run(random(10))
    const response = service.history()
    run(random(10))
    tell(told + random(service.log.length - told + 1))
    if (random(2) === 0) timeline.take(response, asked)
    else timeline.replace(response, asked)
    run(random(10))
    if (random(2) === 0) for (const event of service.since(told, true)) timeline.hear(event)
    else tell(service.log.length)
    if (!t.strictSame(shownOf(timeline), service.history(), `seed ${seed}`)) return

    // All of it again, as it was told and as it would be now, changes nothing.
    const before = timeline.view()
    for (const event of service.since(cursor, true)) timeline.hear(event)
    t.strictSame(timeline.view(), before)
    for (const event of service.since(cursor, false)) timeline.hear(event)
    if (!t.strictSame(shownOf(timeline), service.history(), `seed ${seed}, again`)) return
  }
})
