import { chatError } from '../errors.js'
import { isoTime } from '../schemas/common.js'
import { APPENDS_PER_SECOND, type AppendAnswer, type AppendBody, type StopAnswer } from '../schemas/growing.js'
import { METADATA_MAX_BYTES } from '../schemas/metadata.js'
import type { Message } from '../schemas/messages.js'
import { isGrowing, readMentions, readMetadata, writeMentions } from '../store/rendering.js'
import type { MessageRow, ParticipantRow, Unit } from '../store/unit.js'
import type { Command } from '../store/writer.js'
import { isService, type Actor } from './actor.js'
import { assertNotBlocked } from './blocks.js'
import { withoutRanges } from './content.js'
import { bury, changeInstant, firstHashOf, isSender, ofMessage, tellChange } from './messages.js'
import { assertMayPost, assertNotFrozen } from './settings.js'
import { silentUntil } from './silence.js'
import { assertTextFits } from './validation.js'

/**
 * Messages that grow: sent with what there is of the text, appended to, and finished. An append changes the message's row and nothing
 * else. Nothing of it is logged: whoever was away is told the whole text so far, and `finish` is one event of the log.
 */

/** Appends to a message that grows, and tells all participants except its sender. What is there already is not appended again. */
export function appendText (messageId: string, actor: Actor, { offset, text }: AppendBody, maxTextLength: number): Command<AppendAnswer> {
  const { userId } = actor
  return {
    needs (keys) {
      keys.message(messageId, userId)
    },
    apply (unit) {
      const { message, caller } = messageAndCaller(unit, messageId, userId)
      const { conversation, growingUntil } = message
      if (message.senderId !== userId) throw chatError('FORBIDDEN')
      if (growingUntil !== null && message.text.startsWith(text, offset)) return { messageId, length: message.text.length }
      assertNotBlocked(unit, conversation)
      if (!isService(actor)) assertMayPost(caller)
      if (!isGrowing(message)) throw chatError('NOT_GROWING')
      if (offset !== message.text.length) throw chatError('OFFSET_MISMATCH', { length: message.text.length })
      assertTextFits(message.text + text, maxTextLength)
      unit.changeMessage(message, {
        ...pace(unit, message),
        ...firstHashOf(message),
        text: message.text + text,
        growingUntil: silentUntil(unit, growingUntil)
      })
      const timestamp = isoTime(unit.nowIn(conversation))
      unit.tell(conversation, 'messageAppended', { conversationId: conversation.id, messageId, offset, text, timestamp }, userId, messageId)
      return { messageId, length: message.text.length }
    }
  }
}

/** Counts an append. @throws TOO_MANY_REQUESTS where there were as many in this second as there may be */
function pace ({ ticks }: Unit, { appendedFrom, appendCount }: MessageRow): Pick<MessageRow, 'appendedFrom' | 'appendCount'> {
  const isOver = appendedFrom === null || appendCount === null || ticks >= appendedFrom + 1000 || ticks < appendedFrom
  if (isOver) return { appendedFrom: ticks, appendCount: 1 }
  if (appendCount >= APPENDS_PER_SECOND) throw chatError('TOO_MANY_REQUESTS', { retryAfter: 1 })
  return { appendedFrom, appendCount: appendCount + 1 }
}

/** What the last call says of a message that has grown. Undefined: it stays as it is. */
export interface Ending {
  /** The whole text. */
  text: string | undefined
  /** JSON text (see metadata.ts). */
  metadata: string | null | undefined
}

/**
 * Finishes a message, and tells all participants. Of one that is finished already, it changes nothing.
 * @param grownTo the text of which the host was asked
 * @returns undefined if the text is another one
 */
export function finishMessage (messageId: string, actor: Actor, ending: Ending, grownTo?: string): Command<Message | undefined> {
  let hasGrown = false
  const { needs, apply } = ofMessage(messageId, actor.userId, isSender, (unit, message, participants) => {
    hasGrown = false
    if (message.growingUntil === 0 && message.deletedAt === null) return
    assertNotBlocked(unit, message.conversation)
    if (!isService(actor)) assertNotFrozen(message.conversation)
    if (!isGrowing(message)) throw chatError('NOT_GROWING')
    if ((ending.text ?? message.text) === '' && message.attachments === null) throw chatError('STILL_GROWING')
    hasGrown = grownTo !== undefined && message.text !== grownTo
    if (!hasGrown) end(unit, message, ending, participants)
  })
  return {
    needs,
    apply (unit) {
      const message = apply(unit)
      return hasGrown ? undefined : message
    }
  }
}

/** Leaves a tombstone of a message that the host does not let end. */
export function buryGrowing (messageId: string, participantId: string): Command<Message> {
  return ofMessage(messageId, participantId, () => true, (unit, message, participants) => {
    if (isGrowing(message)) bury(unit, message, null, participants)
  })
}

function end (unit: Unit, message: MessageRow, { text = message.text, metadata = message.metadata }: Ending, participants: ParticipantRow[]): void {
  const isSame = text === message.text
  unit.changeMessage(message, {
    ...firstHashOf(message),
    text,
    metadata,
    // A new text keeps who is mentioned, but their places are gone.
    mentions: isSame ? message.mentions : writeMentions(withoutRanges(readMentions(message.mentions))),
    growingUntil: 0
  })
  tellChange(unit, 'messageUpdated', message, message.senderId, participants, changeInstant(unit, message))
}

/** Tells the sender of a message that grows that somebody wants no more of it. */
export function stopMessage (messageId: string, userId: string): Command<StopAnswer> {
  return {
    needs (keys) {
      keys.message(messageId, userId)
    },
    apply (unit) {
      const { message } = messageAndCaller(unit, messageId, userId)
      const { conversation, senderId } = message
      assertNotBlocked(unit, conversation)
      if (!isGrowing(message)) throw chatError('NOT_GROWING')
      const timestamp = isoTime(unit.nowIn(conversation))
      unit.tellOwn(senderId, conversation.id, 'messageStop', { conversationId: conversation.id, messageId, userId, timestamp })
      return { messageId }
    }
  }
}

/**
 * Finishes a message to which nothing has been appended for too long, in its sender's place. Where there is no text, nothing was said:
 * a tombstone remains.
 * @param changed what the host makes of it
 */
export function interrupt (messageId: string, participantId: string, changed: Partial<Ending> = {}): Command<Message> {
  return ofMessage(messageId, participantId, () => true, (unit, message, participants) => {
    if (!isGrowing(message) || message.growingUntil! > unit.ticks) return
    const { text = message.text, metadata = interruptedMetadata(readMetadata(message.metadata)) } = changed
    if (text === '' && message.attachments === null) bury(unit, message, null, participants)
    else end(unit, message, { text, metadata }, participants)
  })
}

/** JSON text. */
export function interruptedMetadata (before: object | null): string {
  const metadata = JSON.stringify({ ...before, interrupted: true })
  return Buffer.byteLength(metadata) > METADATA_MAX_BYTES ? JSON.stringify({ interrupted: true }) : metadata
}

function messageAndCaller (unit: Unit, messageId: string, userId: string): { message: MessageRow, caller: ParticipantRow } {
  const message = unit.message(messageId)
  const caller = message && unit.participant(message.conversation.id, userId)
  if (message === undefined || caller === undefined) throw chatError('NOT_FOUND')
  return { message, caller }
}
