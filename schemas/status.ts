import type { MessageStatus } from './messages.js'

/** The marks of a participant in a conversation. `userId` is null if the entry stands for several participants with the same marks. */
export interface Marks {
  userId: string | null
  /** `seq` of the newest message when the participant joined. The marks say nothing about messages up to it. */
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

/** Whether every participant at the time of the message, except its sender, has left. */
export const isLeftAlone = (message: Numbered, present: Iterable<Marks>): boolean => ranksOf(message, present).length === 0

/**
 * Returns the status of a message: the lowest among the other participants who were present when it was sent and still are. If
 * all of them have left, the highest among those who were present. So a status never goes back: leaving can only raise it.
 */
export function statusOf (message: Numbered, present: Iterable<Marks>, former: Iterable<Marks>): MessageStatus {
  const ranks = ranksOf(message, present)
  return RANKS[ranks.length > 0 ? Math.min(...ranks) : Math.max(0, ...ranksOf(message, former))]!
}
