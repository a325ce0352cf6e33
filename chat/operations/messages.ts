import { Type, type Static } from 'typebox'
import { ConversationId, MessageId } from '../../schemas/common.js'
import { ReadBody, type ReadAnswer } from '../../schemas/conversations.js'
import { AppendBody, FinishBody, type AppendAnswer, type StopAnswer } from '../../schemas/growing.js'
import {
  EditMessageBody, HistoryQuery, MentionListQuery, ReactionListQuery, ReceiptBody, ReceiptListQuery, RepliesQuery, SendMessageBody, TypingBody,
  type MentionPage, type Message, type MessagePage, type OwnMessage, type ReactionAnswer, type ReactionPage, type ReceiptAnswer, type
  ReceiptPage
} from '../../schemas/messages.js'
import { actorOf, type Acting } from '../actor.js'
import { mentionsOf } from '../content.js'
import { canonicalEmoji } from '../emoji.js'
import { NothingToChange } from '../hooks/before.js'
import { decodeListCursor, encodeListCursor } from '../list-cursor.js'
import { appendText, stopMessage } from '../growing.js'
import { deleteMessage, editMessage, newMessage, sendMessage, type SendOutcome } from '../messages.js'
import { metadataText } from '../metadata.js'
import { react } from '../reactions.js'
import { markMessage, markRead } from '../receipts.js'
import { listReceipts } from '../seen-by.js'
import { assertPossible, assertTextFits, assertValid } from '../validation.js'
import { ConversationOperations } from './conversations.js'
import { found } from './operations.js'

/** What a hook may make of a reaction. */
const ReactionInput = Type.Object({ emoji: Type.String() })

/** Operations on messages, and on what users do with them. */
export abstract class MessageOperations extends ConversationOperations {
  /** Saves a message and tells all participants but its sender. A repeated `clientId` returns the message that it was first sent with. */
  async sendMessage (acting: Acting, body: SendMessageBody): Promise<{ message: OwnMessage, created: boolean }> {
    const sender = actorOf(acting)
    const { hasFiles: takesFiles, maxTextLength } = this.parts
    const taken = { takesFiles, maxTextLength }
    const asSent = newMessage(sender, body, taken)
    const { conversationId, clientId, content } = asSent
    const outcome = await this.parts.gate.act<SendOutcome, SendMessageBody>({
      action: 'message.send',
      acting,
      conversationId: () => conversationId,
      body,
      schema: SendMessageBody,
      isRepeat: outcome => 'repeats' in outcome,
      // A repetition is told by what was sent, whatever the host has made of it
      command: now => sendMessage(now === body
        ? asSent
        : { ...newMessage(sender, now, taken), conversationId, clientId, asSent: content })
    })
    if ('sent' in outcome) {
      this.parts.typing.ended(body.conversationId, sender.userId)
      return { message: { myReactions: [], ...outcome.sent }, created: true }
    }
    return { message: found(await this.parts.queries.message(outcome.repeats, sender.userId)), created: false }
  }

  /** Changes text, metadata or mentions of one of the caller's messages. What the body does not name stays. */
  async editMessage (acting: Acting, messageId: string, body: EditMessageBody): Promise<OwnMessage> {
    assertValid(EditMessageBody, body)
    const { userId } = actorOf(acting)
    const message = await this.parts.gate.act<Message, EditMessageBody>({
      action: 'message.edit',
      acting,
      conversationId: async () => (await this.place(userId, messageId)).conversationId,
      ids: { messageId },
      body,
      schema: EditMessageBody,
      command: ({ text, metadata, mentions, mentionsAll }) => {
        assertTextFits(text, this.parts.maxTextLength)
        const change = {
          text,
          metadata: metadata === undefined ? undefined : metadataText(metadata),
          mentions: mentions == null ? undefined : mentionsOf(mentions, text ?? ''),
          mentionsAll: mentionsAll ?? undefined
        }
        assertPossible(MessageId, messageId)
        return editMessage(messageId, userId, change)
      }
    })
    return await this.asSeenBy(userId, message)
  }

  /**
   * Appends to a message of the caller's that grows, at the end of the text as far as the caller knows it. If it is there already, nothing
   * happens.
   */
  async appendToMessage (acting: Acting, messageId: string, body: AppendBody): Promise<AppendAnswer> {
    assertValid(AppendBody, body)
    assertTextFits(body.text, this.parts.maxTextLength)
    assertPossible(MessageId, messageId)
    return await this.parts.gate.writeUnasked(appendText(messageId, actorOf(acting), body, this.parts.maxTextLength))
  }

  /** Finishes a message of the caller's that grows. What the body does not name stays as it is. */
  async finishMessage (acting: Acting, messageId: string, body: FinishBody | null = {}): Promise<OwnMessage> {
    const { text, metadata } = body ?? {}
    assertValid(FinishBody, { text, metadata })
    assertPossible(MessageId, messageId)
    const sender = actorOf(acting)
    const ending = { ...(text === undefined ? {} : { text }), ...(metadata === undefined ? {} : { metadata }) }
    return await this.asSeenBy(sender.userId, await this.parts.finishing.finish(sender, messageId, ending))
  }

  /** Asks the sender of a message that grows to finish it. */
  async stopMessage (userId: string, messageId: string): Promise<StopAnswer> {
    assertPossible(MessageId, messageId)
    return await this.parts.gate.writeUnasked(stopMessage(messageId, userId))
  }

  async deleteMessage (acting: Acting, messageId: string): Promise<OwnMessage> {
    assertPossible(MessageId, messageId)
    const { userId } = actorOf(acting)
    const message = await this.parts.gate.act({
      action: 'message.delete',
      acting,
      conversationId: async () => (await this.place(userId, messageId)).conversationId,
      ids: { messageId },
      body: {},
      schema: NothingToChange,
      command: () => deleteMessage(messageId, userId)
    })
    return { myReactions: [], ...message }
  }

  protected async asSeenBy (userId: string, message: Message): Promise<OwnMessage> {
    return { ...message, myReactions: message.reactions.length === 0 ? [] : found(await this.parts.queries.message(message.id, userId)).myReactions }
  }

  async message (userId: string, messageId: string): Promise<OwnMessage> {
    assertPossible(MessageId, messageId)
    return found(await this.parts.queries.message(messageId, userId))
  }

  /** Returns a page of a conversation's history, ascending. */
  async messages (userId: string, conversationId: string, query: HistoryQuery = {}): Promise<MessagePage> {
    assertValid(HistoryQuery, query)
    const { around, limit = 50 } = query
    const conversation = await this.access(userId, conversationId)
    return around === undefined
      ? await this.parts.queries.messages(conversation, userId, { ...query, limit })
      : await this.parts.queries.messagesAround(conversation, userId, around, limit)
  }

  /** Returns a page of the direct replies to a message, ascending, deleted ones included. */
  async replies (userId: string, messageId: string, query: RepliesQuery = {}): Promise<MessagePage> {
    assertValid(RepliesQuery, query)
    return await this.parts.queries.replies(await this.place(userId, messageId), userId, { ...query, limit: query.limit ?? 50 })
  }

  /** Sets the caller's reaction to a message, or takes it back. Takes any form of an emoji, and answers with the canonical one. */
  async react (acting: Acting, messageId: string, emoji: string, reacted: boolean): Promise<ReactionAnswer> {
    const canonical = canonicalEmoji(emoji)
    assertPossible(MessageId, messageId)
    const actor = actorOf(acting)
    return await this.parts.gate.act({
      action: 'reaction.add',
      isAsked: reacted,
      acting,
      conversationId: async () => (await this.place(actor.userId, messageId)).conversationId,
      ids: { messageId },
      body: { emoji: canonical },
      schema: ReactionInput,
      command: ({ emoji }) => react(messageId, actor, emoji === canonical ? emoji : canonicalEmoji(emoji), reacted)
    })
  }

  /** Returns a page of the reactions to a message, oldest first. */
  async reactions (userId: string, messageId: string, query: ReactionListQuery = {}): Promise<ReactionPage> {
    assertValid(ReactionListQuery, query)
    const emoji = query.emoji === undefined ? undefined : canonicalEmoji(query.emoji)
    const list = { name: 'reactions', of: `${messageId} ${emoji ?? ''}`, place: { createdAt: 'bigint', userId: 'text', emoji: 'text' } } as const
    const behind = decodeListCursor(list, query.cursor)
    const { reactions, next } = await this.parts.queries.reactions(await this.place(userId, messageId), { emoji, limit: query.limit ?? 50, behind })
    return { reactions, nextCursor: encodeListCursor(list, next) }
  }

  /** Returns a page of the messages that mention the caller, newest first. */
  async mentions (userId: string, query: MentionListQuery = {}): Promise<MentionPage> {
    assertValid(MentionListQuery, query)
    const list = { name: 'mentions', of: userId, place: { createdAt: 'bigint', conversation: 'int', seq: 'int' } } as const
    const { messages, next } = await this.parts.queries.mentions(userId, decodeListCursor(list, query.cursor), query.limit ?? 50)
    return { messages, nextCursor: encodeListCursor(list, next) }
  }

  /** Marks a message, and all before it, as delivered to or read by the user. */
  async markMessage (userId: string, messageId: string, body: Static<typeof ReceiptBody>): Promise<ReceiptAnswer> {
    assertValid(ReceiptBody, body)
    assertPossible(MessageId, messageId)
    return await this.parts.gate.writeUnasked(markMessage(messageId, userId, body.status))
  }

  /** Returns who of the others has read a message, who has got it, and who has not, and when. */
  async receipts (userId: string, messageId: string, query: ReceiptListQuery = {}): Promise<ReceiptPage> {
    assertValid(ReceiptListQuery, query)
    return await listReceipts(this.parts.queries, messageId, query, async () => await this.place(userId, messageId))
  }

  /** Marks everything up to a `seq` as read by the user. */
  async markRead (userId: string, conversationId: string, body: Static<typeof ReadBody>): Promise<ReadAnswer> {
    assertPossible(ConversationId, conversationId)
    assertValid(ReadBody, body)
    return await this.parts.gate.writeUnasked(markRead(conversationId, userId, body.seq))
  }

  async setTyping (acting: Acting, body: TypingBody): Promise<TypingBody> {
    assertValid(TypingBody, body)
    return await this.parts.typing.set(actorOf(acting), body)
  }
}
