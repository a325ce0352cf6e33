import { randomUUID } from 'node:crypto'
import { chatError } from '../errors.js'
import { isoTime } from '../schemas/common.js'
import { MAX_PARTICIPANTS, type Role } from '../schemas/conversations.js'
import { shownName } from '../schemas/names.js'
import type { ConversationRow, ParticipantRow, Unit, UserRow } from '../store/unit.js'
import type { Command } from '../store/writer.js'
import { assertNoBlock, assertNoneBlocks, needBlock, needBlocksOf } from './blocks.js'
import { logEvent } from './events.js'
import { directConversationId } from './ids.js'
import { assertRoom, countGroup, needQuotas, type Quotas } from './quotas.js'
import { endTyping } from './end-typing.js'

export interface Created { conversationId: string, created: boolean }

/** Creates the direct conversation with another user, unless it exists. */
export function createDirect (userId: string, otherId: string, quotas: Quotas): Command<Created> {
  const conversationId = directConversationId(userId, otherId)
  return {
    needs (keys) {
      keys.direct(conversationId)
      needBlock(keys, userId, otherId)
      needQuotas(keys, quotas, [userId, otherId])
    },
    apply (unit) {
      if (userId === otherId) throw chatError('SELF_CONVERSATION')
      const users = usersOf(unit, [userId, otherId])
      if (unit.conversation(conversationId) !== undefined) return { conversationId, created: false }
      assertNoBlock(unit, userId, otherId)
      assertRoom(unit, quotas, [userId, otherId])
      const conversation = unit.addConversation({ id: conversationId, type: 'direct', title: null, createdBy: userId })
      for (const user of users) join(unit, conversation, user, 'member')
      logEvent(unit, conversation, 'conversationCreated', { userId, joining: [userId, otherId] })
      return { conversationId, created: true }
    }
  }
}

/** Creates a group, owned by its creator. */
export function createGroup (userId: string, title: string | null, participantIds: string[], quotas: Quotas): Command<Created> {
  const conversationId = `group_${randomUUID()}`
  const memberIds = [...new Set([userId, ...participantIds])]
  return {
    needs (keys) {
      if (memberIds.length > MAX_PARTICIPANTS) return
      memberIds.forEach(id => { keys.user(id) })
      needBlocksOf(keys, userId, memberIds)
      needQuotas(keys, quotas, memberIds)
    },
    apply (unit) {
      if (memberIds.length > MAX_PARTICIPANTS) throw chatError('GROUP_TOO_LARGE')
      const users = usersOf(unit, memberIds)
      assertNoneBlocks(unit, userId, memberIds)
      assertRoom(unit, quotas, memberIds)
      countGroup(unit, quotas, userId)
      const conversation = unit.addConversation({
        id: conversationId, type: 'group', title: title === null ? null : shownName(title), createdBy: userId
      })
      for (const user of users) join(unit, conversation, user, user.id === userId ? 'owner' : 'member')
      logEvent(unit, conversation, 'conversationCreated', { userId, joining: memberIds })
      return { conversationId, created: true }
    }
  }
}

/** Adds users to a group. Nothing changes for those who already take part. */
export function addParticipants (conversationId: string, callerId: string, participantIds: string[], quotas: Quotas): Command<void> {
  const ids = [...new Set(participantIds)]
  return {
    needs (keys) {
      keys.participant(conversationId, callerId)
      for (const id of ids.slice(0, MAX_PARTICIPANTS)) {
        keys.invited(conversationId, callerId, id)
        keys.quotaOfOther(conversationId, callerId, id, quotas.conversations)
      }
    },
    apply (unit) {
      const { conversation } = managerOf(unit, conversationId, callerId)
      if (ids.length > MAX_PARTICIPANTS) throw chatError('GROUP_TOO_LARGE')
      const joining = ids.filter(id => unit.participant(conversationId, id) === undefined)
      if (conversation.participantCount + joining.length > MAX_PARTICIPANTS) throw chatError('GROUP_TOO_LARGE')
      const users = usersOf(unit, joining)
      assertNoneBlocks(unit, callerId, joining)
      assertRoom(unit, quotas, joining)
      for (const user of users) {
        const participant = join(unit, conversation, user, 'member')
        tellParticipant(unit, 'participantJoined', participant, callerId)
      }
    }
  }
}

/** Changes a participant's role. Only the owner may. */
export function changeRole (conversationId: string, callerId: string, userId: string, role: 'admin' | 'member'): Command<void> {
  return {
    needs (keys) {
      keys.other(conversationId, callerId, userId)
    },
    apply (unit) {
      const caller = groupParticipantOf(unit, conversationId, callerId)
      if (caller.role !== 'owner') throw chatError('FORBIDDEN')
      const participant = unit.participant(conversationId, userId)
      if (participant === undefined) throw chatError('NOT_FOUND')
      if (participant.role === 'owner') throw chatError('FORBIDDEN')
      if (participant.role !== role) setRole(unit, participant, role, callerId)
    }
  }
}

/** Removes a participant, which the owner and admins may, or lets the caller leave. An owner who leaves gets a successor. */
export function removeParticipant (conversationId: string, callerId: string, userId: string): Command<void> {
  return {
    needs (keys) {
      keys.crowd(conversationId, callerId)
    },
    apply (unit) {
      const caller = groupParticipantOf(unit, conversationId, callerId)
      if (userId !== callerId && caller.role === 'member') throw chatError('FORBIDDEN')
      const participant = unit.participant(conversationId, userId)
      if (participant === undefined) throw chatError('NOT_FOUND')
      if (userId !== callerId && participant.role === 'owner') throw chatError('FORBIDDEN')

      endTyping(unit, participant)
      unit.removeParticipant(participant)
      tellParticipant(unit, 'participantLeft', participant, callerId)
      if (participant.role === 'owner') {
        const successor = successorOf(unit.participants(conversationId))
        if (successor !== undefined) setRole(unit, successor, 'owner', userId)
      }
    }
  }
}

/** Deletes a group with all that belongs to it. Only its owner may. */
export function deleteConversation (conversationId: string, callerId: string): Command<void> {
  return {
    needs (keys) {
      keys.crowd(conversationId, callerId)
    },
    apply (unit) {
      const { conversation, role } = groupParticipantOf(unit, conversationId, callerId)
      if (role !== 'owner') throw chatError('FORBIDDEN')
      const timestamp = isoTime(unit.nowIn(conversation))
      unit.deleteConversation(conversation, unit.participants(conversationId).map(({ userId }) => userId))
      unit.tellEnd(conversation, 'conversationDeleted', { conversationId, timestamp })
    }
  }
}

/** The admin who joined first, or else the member who joined first. */
function successorOf (participants: ParticipantRow[]): ParticipantRow | undefined {
  const longest = participants.toSorted((a, b) => a.joinedAt - b.joinedAt)
  return longest.find(({ role }) => role === 'admin') ?? longest[0]
}

function setRole (unit: Unit, participant: ParticipantRow, role: Role, byUserId: string): void {
  unit.changeParticipant(participant, { role })
  tellParticipant(unit, 'participantUpdated', participant, byUserId)
}

function groupParticipantOf (unit: Unit, conversationId: string, userId: string): ParticipantRow {
  const participant = unit.participant(conversationId, userId)
  if (participant === undefined) throw chatError('NOT_FOUND')
  if (participant.conversation.type !== 'group') throw chatError('NOT_A_GROUP')
  return participant
}

function managerOf (unit: Unit, conversationId: string, userId: string): ParticipantRow {
  const participant = groupParticipantOf(unit, conversationId, userId)
  if (participant.role === 'member') throw chatError('FORBIDDEN')
  return participant
}

function usersOf (unit: Unit, ids: string[]): UserRow[] {
  return ids.map(id => {
    const user = unit.user(id)
    if (user === undefined) throw chatError('UNKNOWN_USER')
    return user
  })
}

/** Whoever joins starts with their marks at the last message: nothing before is unread, and all of it can be read. */
const join = (unit: Unit, conversation: ConversationRow, user: UserRow, role: Role): ParticipantRow =>
  unit.addParticipant(conversation, user, role, conversation.messageSeq)

function tellParticipant (
  unit: Unit,
  type: 'participantJoined' | 'participantLeft' | 'participantUpdated',
  { conversation, userId, displayName, role }: ParticipantRow,
  byUserId: string
): void {
  logEvent(unit, conversation, type, { userId, displayName, detail: role, byUserId })
}
