// SQL by hand: one range of the primary key for each message.
import type { ReactionPage } from '../../schemas/messages.js'
import { isoTime } from '../../schemas/common.js'
import type { Database } from '../database.js'
import { profileOf } from '../rendering.js'
import { keyed, select } from '../table.js'
import * as tables from '../tables.js'
import { profileColumns, readProfile } from './users.js'

const own = select(tables.reactions, 'r', ['conversation', 'messageSeq', 'emoji'])
const reaction = select(tables.reactions, 'r', ['emoji', 'userId', 'createdAt'])

/** The emoji that a user reacted to messages with, by conversation and `seq`. */
export async function findOwnReactions (
  { read, dialect }: Database, messages: ReadonlyArray<{ conversation: number, seq: number }>, userId: string
): Promise<Map<number, Map<number, Set<string>>>> {
  const found = new Map<number, Map<number, Set<string>>>()
  if (messages.length === 0) return found
  const rows = await read.query(
    `SELECT ${own.columns} FROM ${keyed(tables.reactions, dialect, ['conversation', 'messageSeq'])} k
     JOIN chat_reactions r ON r.conversation = k.conversation AND r.message_seq = k.message_seq AND r.user_id = ?`,
    JSON.stringify(messages.map(({ conversation, seq }) => [conversation, seq])), userId)
  for (const row of rows) {
    const { conversation, messageSeq, emoji } = own.read(row)
    const bySeq = found.get(conversation) ?? new Map<number, Set<string>>()
    found.set(conversation, bySeq)
    bySeq.set(messageSeq, (bySeq.get(messageSeq) ?? new Set()).add(emoji))
  }
  return found
}

/** Which of these reactions are there now. */
export async function findReacted (
  { read, dialect }: Database, reactions: ReadonlyArray<{ conversation: number, messageSeq: number, userId: string, emoji: string }>
): Promise<Set<string>> {
  if (reactions.length === 0) return new Set()
  const all = select(tables.reactions, 'r', ['messageSeq', 'userId', 'emoji'])
  const rows = await read.query(
    `SELECT ${all.columns} FROM ${keyed(tables.reactions, dialect, ['conversation', 'messageSeq', 'userId', 'emoji'])} k
     JOIN chat_reactions r ON r.conversation = k.conversation AND r.message_seq = k.message_seq AND r.user_id = k.user_id AND r.emoji = k.emoji`,
    JSON.stringify(reactions.map(({ conversation, messageSeq, userId, emoji }) => [conversation, messageSeq, userId, emoji])))
  return new Set(rows.map(row => reactedKey(all.read(row))))
}

/** The key of a reaction in one conversation. */
export const reactedKey = ({ messageSeq, userId, emoji }: { messageSeq: number, userId: string, emoji: string }): string =>
  JSON.stringify([messageSeq, userId, emoji])

/** A place among the reactions to a message, which are ordered by time. */
export interface ReactionPlace { createdAt: number, userId: string, emoji: string }

/** A page of the reactions to a message. */
export interface ReactionBounds {
  /** In canonical form. Undefined: any. */
  emoji: string | undefined
  limit: number
  /** Undefined: from the first on. */
  behind: ReactionPlace | undefined
}

/** Reactions to a message, oldest first, from behind a place in that order. Those to a deleted message are not told. */
export async function findReactions (
  { read }: Database, { num, seq }: { num: number, seq: number }, { emoji, limit, behind }: ReactionBounds
): Promise<{ reactions: ReactionPage['reactions'], next: ReactionPlace | undefined }> {
  const from = behind ?? { createdAt: -1, userId: '', emoji: '' }
  const rows = await read.query(
    `SELECT ${reaction.columns}, ${profileColumns} FROM chat_reactions r
     JOIN chat_messages m ON m.conversation = r.conversation AND m.seq = r.message_seq AND m.deleted_at IS NULL
     JOIN chat_users u ON u.id = r.user_id
     WHERE r.conversation = ? AND r.message_seq = ? ${emoji === undefined ? '' : 'AND r.emoji = ?'}
       AND (r.created_at > ? OR (r.created_at = ? AND (r.user_id > ? OR (r.user_id = ? AND r.emoji > ?))))
     ORDER BY r.created_at, r.user_id, r.emoji LIMIT ?`,
    num, seq, ...(emoji === undefined ? [] : [emoji]), from.createdAt, from.createdAt, from.userId, from.userId, from.emoji, limit + 1)
  const page = rows.slice(0, limit).map(row => ({ ...reaction.read(row), user: readProfile(row) }))
  const last = page.at(-1)
  return {
    reactions: page.map(({ emoji, user, createdAt }) => ({ emoji, user: profileOf(user), createdAt: isoTime(createdAt) })),
    next: rows.length > limit && last !== undefined ? { createdAt: last.createdAt, userId: last.userId, emoji: last.emoji } : undefined
  }
}
