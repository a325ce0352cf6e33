import { hash } from 'node:crypto'
import type { MentionInput, SendMessageBody } from '../schemas/messages.js'
import type { MentionEntry } from '../store/rendering.js'
import type { MessageRow } from '../store/unit.js'
import { metadataText } from './metadata.js'
import { invalid } from './validation.js'

/** What a message says: set by one send, and judged together when a `clientId` is used again. */
export interface Content {
  text: string
  /** JSON text (see metadata.ts). */
  metadata: string | null
  replyToId: string | null
  /** As sent: users who do not take part, and users who are named again, are left out later. */
  mentions: MentionEntry[]
  mentionsAll: boolean
  /** Ids of files, in order. */
  attachments: string[]
}

/** Reads the content of a valid body, in which null means absent. @throws VALIDATION_FAILED, METADATA_TOO_LARGE */
export function contentOf (body: Omit<SendMessageBody, 'conversationId'>): Content {
  const { text = '', metadata, replyToId, mentions, mentionsAll, attachments } = body
  const fileIds = (attachments ?? []).map(({ fileId }) => fileId)
  if (new Set(fileIds).size < fileIds.length) throw invalid('attachments must name each file once')
  return {
    text,
    metadata: metadataText(metadata ?? null),
    replyToId: replyToId ?? null,
    mentions: mentionsOf(mentions ?? [], text),
    mentionsAll: mentionsAll ?? false,
    attachments: fileIds
  }
}

/**
 * Checks mentions against the text.
 * @throws VALIDATION_FAILED where a range is not in the text, overlaps another, cuts a surrogate pair, or is half given
 */
export function mentionsOf (mentions: readonly MentionInput[], text: string): MentionEntry[] {
  const entries = mentions.map(({ userId, start = null, length = null }): MentionEntry => {
    if ((start === null) !== (length === null)) throw invalid('mentions must have both start and length, or neither')
    if (start !== null && length !== null && (start + length > text.length || cutsPair(text, start) || cutsPair(text, start + length))) {
      throw invalid('mentions must lie within the text, between characters')
    }
    return { userId, start, length }
  })
  const ranges = entries.flatMap(({ start, length }) => start === null || length === null ? [] : [{ start, end: start + length }])
  ranges.sort((a, b) => a.start - b.start)
  if (ranges.some(({ start }, index) => index > 0 && start < ranges[index - 1]!.end)) throw invalid('mentions must not overlap')
  return entries
}

const cutsPair = (text: string, at: number): boolean => at > 0 && at < text.length && text.codePointAt(at - 1)! > 0xffff

/** Of mentions without a range, each user has one. */
export function withoutRepeats (mentions: readonly MentionEntry[]): MentionEntry[] {
  const seen = new Set<string>()
  return mentions.filter(({ userId, start }) => start !== null || (!seen.has(userId) && seen.add(userId)))
}

/** The users of mentions, without their places in a text that is no longer there. */
export function withoutRanges (mentions: readonly MentionEntry[]): MentionEntry[] {
  return Array.from(new Set(mentions.map(({ userId }) => userId)), userId => ({ userId, start: null, length: null }))
}

/** What is kept of content that is more than text: null for text alone, so that plain messages pay nothing. */
export function hashOfContent (content: Content): string | null {
  const { text, metadata, replyToId, mentions, mentionsAll, attachments } = content
  if (metadata === null && replyToId === null && mentions.length === 0 && !mentionsAll && attachments.length === 0) return null
  return hashOf(JSON.stringify([text, metadata === null ? null : sorted(JSON.parse(metadata)), replyToId,
    mentions.map(({ userId, start, length }) => [userId, start, length]), mentionsAll,
    // Only where there are any: hashes of versions without files stay valid.
    ...(attachments.length === 0 ? [] : [attachments])]))
}

export const hashOf = (text: string): string => hash('sha256', text, 'base64')

/** Whether a message was first sent with this content. One of a version that knew only text is compared by its text. */
export function wasSentWith (message: MessageRow, content: Content): boolean {
  const hash = hashOfContent(content)
  if (message.contentHash !== null) return message.contentHash === hash
  if (hash !== null && message.mentionsAll !== null) return false
  return message.firstTextHash === null ? message.text === content.text : message.firstTextHash === hashOf(content.text)
}

/** The value with the keys of all objects in one order. */
function sorted (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, item]) => [key, sorted(item)]))
}
