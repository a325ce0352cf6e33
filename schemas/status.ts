import type { MessageStatus } from './messages.js'

/** How far somebody has come in a conversation; of several with the same marks, `userId` is null. */
export interface Marks {
  userId: string | null
  /** `seq` of the newest message when they joined: the marks say nothing about messages up to it. */
  joinedSeq: number
  deliveredSeq: number
  readSeq: number
}

type Numbered = { seq: number, senderId: string }

const RANKS = ['sent', 'delivered', 'read'] as const satisfies MessageStatus[]

function ranksOf ({ seq, senderId }: Numbered, marks: Iterable<Marks>): number[] {
  const ranks: number[] = []
  for (const { userId, joinedSeq, deliveredSeq, readSeq } of marks) {
    if (userId !== senderId && joinedSeq < seq) ranks.push(readSeq >= seq ? 2 : deliveredSeq >= seq ? 1 : 0)
  }
  return ranks
}

/** Whether nobody but the sender is left of those who were there when the message was sent. */
export const isLeftAlone = (message: Numbered, present: Iterable<Marks>): boolean => ranksOf(message, present).length === 0

/**
 * The status of a message: the lowest over the other participants who were there when it was sent and still are. Where
 * none of them is left, the furthest over those who were there then. So it never goes back: who leaves can only raise it.
 */
export function statusOf (message: Numbered, present: Iterable<Marks>, former: Iterable<Marks>): MessageStatus {
  const ranks = ranksOf(message, present)
  return RANKS[ranks.length > 0 ? Math.min(...ranks) : Math.max(0, ...ranksOf(message, former))]!
}
