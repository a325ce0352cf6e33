import type { Static } from 'typebox'
import { ConversationId, UserId } from '../../schemas/common.js'
import {
  AddParticipantsBody, ChangeRoleBody, ChangesQuery, ConversationListQuery, CreateConversationBody, UpdateConversationBody, UpdateOwnStateBody,
  type ChangesPage, type Conversation, type ConversationPage, type OwnStateAnswer
} from '../../schemas/conversations.js'
import { isWebUrl } from '../../schemas/names.js'
import { actorOf, type Acting } from '../actor.js'
import { findChanges } from '../changes.js'
import { conversationList } from '../conversation-list.js'
import { addParticipants, changeRole, createDirect, createGroup, deleteConversation, removeParticipant, type Created } from '../conversations.js'
import { NothingToChange } from '../hooks/before.js'
import { decodeListCursor, encodeListCursor } from '../list-cursor.js'
import { metadataText } from '../metadata.js'
import { ownStateChangeOf, updateOwnState } from '../own-state.js'
import { updateConversation } from '../settings.js'
import { assertPossible, assertValid, invalid } from '../validation.js'
import { found } from './operations.js'
import { UserOperations } from './users.js'

/** Operations on conversations and who takes part in them. */
export abstract class ConversationOperations extends UserOperations {
  /** Creates a conversation. A direct one is created once, and returned from then on. */
  async createConversation (acting: Acting, body: CreateConversationBody): Promise<{ conversation: Conversation, created: boolean }> {
    assertValid(CreateConversationBody, body)
    const { userId } = actorOf(acting)
    const { quotas } = this.parts
    const { conversationId, created } = await this.parts.gate.act<Created, CreateConversationBody>({
      action: 'conversation.create',
      acting,
      conversationId: () => undefined,
      body,
      schema: CreateConversationBody,
      isRepeat: ({ created }) => !created,
      names: body => body.type === 'direct' ? [body.userId] : body.participantIds,
      command: body => body.type === 'direct'
        ? createDirect(userId, body.userId, quotas)
        : createGroup(userId, body.title ?? null, body.participantIds, quotas)
    })
    return { conversation: await this.conversation(userId, conversationId), created }
  }

  async conversation (userId: string, conversationId: string): Promise<Conversation> {
    assertPossible(ConversationId, conversationId)
    return found(await this.parts.queries.conversation(conversationId, userId))
  }

  /** Returns a page of the user's conversations, latest activity first. Archived ones are left out unless asked for. */
  async conversations (userId: string, query: ConversationListQuery = {}): Promise<ConversationPage> {
    assertValid(ConversationListQuery, query)
    const { list, filter } = conversationList(userId, query)
    const { conversations, next } = await this.parts.queries.conversations(userId, filter, decodeListCursor(list, query.cursor), query.limit ?? 50)
    return { conversations, nextCursor: encodeListCursor(list, next) }
  }

  /** Changes the user's own state of a conversation. What the body does not name stays. */
  async updateOwnState (userId: string, conversationId: string, body: UpdateOwnStateBody): Promise<OwnStateAnswer> {
    assertValid(UpdateOwnStateBody, body)
    const change = ownStateChangeOf(body, this.parts.database.clock.now())
    assertPossible(ConversationId, conversationId)
    const { timestamp, ...answer } = await this.parts.gate.writeUnasked(updateOwnState(conversationId, userId, change))
    return answer
  }

  /** Changes how a conversation is shown, and its settings. What the body does not name stays. */
  async updateConversation (acting: Acting, conversationId: string, body: UpdateConversationBody): Promise<Conversation> {
    assertValid(UpdateConversationBody, body)
    const { userId } = actorOf(acting)
    await this.parts.gate.act({
      action: 'conversation.update',
      acting,
      conversationId: () => conversationId,
      body,
      schema: UpdateConversationBody,
      command: body => {
        const { avatar, metadata } = body
        if (avatar != null && !isWebUrl(avatar)) throw invalid('avatar must be an http(s) URL')
        const change = { ...body, metadata: metadata === undefined ? undefined : metadataText(metadata) }
        assertPossible(ConversationId, conversationId)
        return updateConversation(conversationId, userId, change)
      }
    })
    return await this.conversation(userId, conversationId)
  }

  /** Deletes a group with all that belongs to it. */
  async deleteConversation (userId: string, conversationId: string): Promise<void> {
    assertPossible(ConversationId, conversationId)
    await this.parts.gate.writeUnasked(deleteConversation(conversationId, userId))
  }

  /** Returns changes of the conversation itself, ascending: what other chats show as system messages. */
  async changes (userId: string, conversationId: string, query: ChangesQuery = {}): Promise<ChangesPage> {
    assertValid(ChangesQuery, query)
    return await findChanges(this.parts.queries, await this.access(userId, conversationId), query)
  }

  async addParticipants (acting: Acting, conversationId: string, body: Static<typeof AddParticipantsBody>): Promise<Conversation> {
    assertPossible(ConversationId, conversationId)
    assertValid(AddParticipantsBody, body)
    const { userId } = actorOf(acting)
    await this.parts.gate.act({
      action: 'participants.add',
      acting,
      conversationId: () => conversationId,
      body,
      schema: AddParticipantsBody,
      names: ({ participantIds }) => participantIds,
      command: ({ participantIds }) => addParticipants(conversationId, userId, participantIds, this.parts.quotas)
    })
    return await this.conversation(userId, conversationId)
  }

  async changeRole (userId: string, conversationId: string, participantId: string, body: Static<typeof ChangeRoleBody>): Promise<Conversation> {
    assertPossible(ConversationId, conversationId)
    assertPossible(UserId, participantId)
    assertValid(ChangeRoleBody, body)
    await this.parts.gate.writeUnasked(changeRole(conversationId, userId, participantId, body.role))
    return await this.conversation(userId, conversationId)
  }

  /** Removes a participant, or lets the user leave. */
  async removeParticipant (acting: Acting, conversationId: string, participantId: string): Promise<void> {
    assertPossible(ConversationId, conversationId)
    assertPossible(UserId, participantId)
    const { userId } = actorOf(acting)
    await this.parts.gate.act({
      action: 'participants.remove',
      isAsked: participantId !== userId,
      acting,
      conversationId: () => conversationId,
      ids: { userId: participantId },
      body: {},
      schema: NothingToChange,
      command: () => removeParticipant(conversationId, userId, participantId)
    })
  }
}
