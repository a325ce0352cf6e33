import { chatError } from '../errors.js'
import type { Clock } from '../hub/clock.js'
import type { TypingBody } from '../schemas/messages.js'
import type { Queries } from '../store/queries.js'
import type { StreamRow } from '../store/unit.js'
import type { Command, Writer } from '../store/writer.js'
import { Alarms } from './alarms.js'
import type { Background } from './background.js'
import { isService, type Actor } from './actor.js'
import { assertNotBlocked } from './blocks.js'
import { endTyping, tellTyping } from './end-typing.js'
import { assertMayPost } from './settings.js'

/** Typing lapses this long after the last `isTyping: true`, in milliseconds. */
export const TYPING_LAPSE_MS = 6000

/**
 * Who is typing where. Typing ends when the user says so or sends a message, when no open stream of theirs covers the
 * conversation any more, or when it lapses: by an alarm of the node that took the call, or by housekeeping.
 */
export class Typing {
  readonly #queries: Queries
  readonly #writer: Writer
  readonly #background: Background
  readonly #alarms: Alarms

  constructor (queries: Queries, writer: Writer, background: Background, clock: Clock) {
    this.#queries = queries
    this.#writer = writer
    this.#background = background
    this.#alarms = new Alarms(clock)
  }

  async set (actor: Actor, { conversationId, isTyping }: TypingBody): Promise<TypingBody> {
    const { userId } = actor
    const answer = await this.#writer.write(setTyping(conversationId, actor, isTyping))
    this.ended(conversationId, userId)
    if (isTyping) {
      this.#alarms.set(keyOf(conversationId, userId), TYPING_LAPSE_MS, () => {
        this.#background.run(async () => { await this.#writer.write(lapseTyping(conversationId, userId)) })
      })
    }
    return answer
  }

  /** Removes the alarm, because typing has ended, such as by a message. */
  ended (conversationId: string, userId: string): void {
    this.#alarms.cancel(keyOf(conversationId, userId))
  }

  /** Ends the user's typing that only this stream covered. */
  streamClosed ({ userId, conversationId: only }: StreamRow): void {
    this.#background.run(async () => {
      const typing = (await this.#queries.typingOf(userId)).filter(({ conversationId }) => only === null || only === conversationId)
      await Promise.all(typing.map(async ({ conversationId }) => await this.#writer.write(stopUncoveredTyping(conversationId, userId))))
    })
  }

  /** Ends what another node's alarm should have ended. */
  async endLapsed (ticks: number): Promise<void> {
    const typing = await this.#queries.lapsedTyping(ticks)
    await Promise.all(typing.map(async ({ conversationId, userId }) => await this.#writer.write(lapseTyping(conversationId, userId))))
  }
}

const keyOf = (conversationId: string, userId: string): string => JSON.stringify([conversationId, userId])

/** Saves that the user types, or has stopped. A repetition extends the deadline and is not announced. */
function setTyping (conversationId: string, actor: Actor, isTyping: boolean): Command<TypingBody> {
  const { userId } = actor
  return {
    needs (keys) {
      keys.participant(conversationId, userId)
    },
    apply (unit) {
      const typist = unit.participant(conversationId, userId)
      if (typist === undefined) throw chatError('NOT_FOUND')
      if (isTyping) {
        assertNotBlocked(unit, typist.conversation)
        if (!isService(actor)) assertMayPost(typist)
        if (typist.typingUntil === null) tellTyping(unit, typist, true)
        unit.changeParticipant(typist, { typingUntil: unit.ticks + TYPING_LAPSE_MS })
      } else {
        endTyping(unit, typist)
      }
      return { conversationId, isTyping }
    }
  }
}

/** Ends typing whose deadline has passed. */
function lapseTyping (conversationId: string, userId: string): Command<void> {
  return {
    needs (keys) {
      keys.participant(conversationId, userId)
    },
    apply (unit) {
      const typist = unit.participant(conversationId, userId)
      if (typist?.typingUntil != null && typist.typingUntil <= unit.ticks) endTyping(unit, typist)
    }
  }
}

/** Ends typing when no open stream of the typist covers the conversation any more. */
function stopUncoveredTyping (conversationId: string, userId: string): Command<void> {
  return {
    needs (keys) {
      keys.participant(conversationId, userId)
      keys.presence(userId)
    },
    apply (unit) {
      const typist = unit.participant(conversationId, userId)
      const covered = unit.streamsOf(userId).some(stream => stream.conversationId === null || stream.conversationId === conversationId)
      if (typist !== undefined && !covered) endTyping(unit, typist)
    }
  }
}
