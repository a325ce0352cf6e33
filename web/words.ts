import { ChatError, type Conversation, type Participant } from '../client/index.js'
import { lastSeen } from './time.js'

/** The other participant of a direct conversation. */
export const otherOf = ({ type, participants }: Conversation, userId: string | null): Participant | undefined =>
  type === 'direct' ? participants.find((participant) => participant.userId !== userId) : undefined

/** "Bob", "Bob and Carol" or "Bob, Carol and 2 others". */
export function listNames (names: readonly string[]): string {
  const [first = '', second] = names
  if (second === undefined) return first
  if (names.length === 2) return `${first} and ${second}`
  return `${first}, ${second} and ${names.length === 3 ? names[2] : `${names.length - 2} others`}`
}

/** Whether a participant is online, or when they were last seen. */
export function presenceOf ({ isOnline, lastSeen: seen }: Participant, connected: boolean, now: Date): string {
  if (!connected) return 'presence unknown'
  return isOnline ? 'online' : lastSeen(seen, now)
}

/** The line below a conversation's title: who takes part, and who is online. */
export function whoIsThere (conversation: Conversation, userId: string | null, connected: boolean, now: Date): string {
  const other = otherOf(conversation, userId)
  if (other !== undefined) return presenceOf(other, connected, now)
  const { participants, participantCount } = conversation
  const online = participants.filter((participant) => connected && participant.isOnline && participant.userId !== userId).length
  return `${participantCount} ${participantCount === 1 ? 'person' : 'people'}${online > 0 ? `, ${online} online` : ''}`
}

const sentences: Record<string, string> = {
  INVALID_CREDENTIALS: 'That user id and password don’t go together.',
  USER_EXISTS: 'This user id is taken. Choose another, or sign in.',
  TOO_MANY_FAILURES: 'Too many failed tries. Wait a minute, then try again.',
  TOO_MANY_REQUESTS: 'Too many requests. Wait a moment, then try again.',
  TOO_MANY_STREAMS: 'You are connected too many times already. Close another window, then try again.',
  SELF_CONVERSATION: 'That’s you. Enter somebody else’s user id.',
  FORBIDDEN: 'You are not allowed to do that here.',
  GROUP_TOO_LARGE: 'A group holds at most 1,000 people.',
  MESSAGE_DELETED: 'This message has been deleted.',
  BODY_TOO_LARGE: 'That is too long.',
  UNAUTHORIZED: 'This token isn’t valid here.',
  TOKEN_EXPIRED: 'This token has expired.',
  NOT_FOUND: 'It isn’t there, or not for you.',
  NETWORK: 'The server can’t be reached.',
  TIMEOUT: 'The server doesn’t answer.',
  GAVE_UP: 'The server can’t be reached.'
}

/** An error as a sentence for users. */
export function sentenceOf (error: unknown): string {
  if (!(error instanceof ChatError)) return 'Something went wrong.'
  return sentences[error.code] ?? `${error.message.replace(/^body\//, '')}.`
}
