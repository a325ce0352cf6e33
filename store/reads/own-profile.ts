// SQL by hand: what is unread in all conversations of a user, however many, in one statement.
import type { OwnProfile } from '../../schemas/users.js'
import type { Database } from '../database.js'
import { isArchived, isMuted, readFrom, unreadOfK } from '../own-states.js'
import { unreadMentions } from './mentions.js'
import { findUserAndVersion } from './users.js'

type Totals = Pick<OwnProfile, 'unreadCount' | 'unreadConversations' | 'unreadMentionCount'>

/** Totals end here. */
const TOTAL_MAX = 1000

/** A user as they see themselves. The totals are read last, so that they are not older than `userVersion`. */
export async function findOwnProfile (database: Database, userId: string): Promise<OwnProfile | undefined> {
  const found = await findUserAndVersion(database.read, userId)
  return found === undefined ? undefined : { ...found.profile, userVersion: found.userVersion, ...await findTotals(database, userId) }
}

/**
 * Counts what is unread in a user's conversations, but not in those that are archived. Muted ones count for mentions only, and
 * not even for those if they never notify.
 */
async function findTotals ({ read, clock }: Database, userId: string): Promise<Totals> {
  const now = clock.now()
  type Sums = Record<'unread' | 'conversations' | 'mentions', number | bigint | string | null>
  const [row] = await read.query<Sums>(
    `SELECT sum(t.unread) AS unread, sum(CASE WHEN t.unread > 0 OR t.is_marked THEN 1 ELSE 0 END) AS conversations, sum(t.mentions) AS mentions
     FROM (SELECT CASE WHEN k.is_muted THEN 0 ELSE ${unreadOfK} END AS unread, k.is_marked AND NOT k.is_muted AS is_marked, ${unreadMentions} AS mentions
       FROM (SELECT c.num, c.message_seq, p.user_id, p.joined_seq, ${readFrom} AS read_from, p.unread_from IS NOT NULL AS is_marked,
           ${isMuted} AS is_muted
         FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation
         WHERE p.user_id = ? AND NOT ${isArchived} AND (p.unread_from IS NOT NULL OR c.message_seq > p.read_seq)
           AND (p.notify <> 'none' OR NOT ${isMuted})) k) t`, now, userId, now, now)
  const capped = (sum: Sums[keyof Sums] = 0): number => Math.min(Number(sum ?? 0), TOTAL_MAX)
  return { unreadCount: capped(row?.unread), unreadConversations: capped(row?.conversations), unreadMentionCount: capped(row?.mentions) }
}
