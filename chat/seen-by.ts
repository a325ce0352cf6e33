import { isoTimeOrNull } from '../store/rendering.js'
import type { MessagePlace, Queries, Reception } from '../store/queries.js'
import type { ReceiptListQuery, ReceiptPage } from '../schemas/messages.js'
import { decodeListCursor, encodeListCursor } from './list-cursor.js'

/** The lists in the order of their pages. */
const LISTS = ['read', 'delivered', 'pending'] as const

/** A place in them: which list, since when (-1: unknown, which comes first), who. */
interface Place { list: number, at: number, userId: string }

const compare = (a: Place, b: Place): number => a.list - b.list || a.at - b.at || (a.userId < b.userId ? -1 : a.userId > b.userId ? 1 : 0)

/**
 * Returns who of the others has read a message, who has only got it, and who has not: those who were there when it was sent and still are. Each
 * list is ordered by time. The cursor is checked before the message is looked for.
 */
export async function listReceipts (
  queries: Queries, messageId: string, { limit = 100, cursor }: ReceiptListQuery, placeOf: () => Promise<MessagePlace>
): Promise<ReceiptPage> {
  const pages = { name: 'receipts', of: messageId, place: { list: 'int', at: 'bigint', userId: 'text' } } as const
  const behind = decodeListCursor(pages, cursor)
  const message = await placeOf()
  const places = (await queries.receptions(message)).map(reception => placeIn(reception, message.seq)).sort(compare)
  const rest = behind === undefined ? places : places.filter(place => compare(place, behind) > 0)
  const page = rest.slice(0, limit)
  const profiles = await queries.profiles(page.map(({ userId }) => userId))
  const inList = (list: number): Array<{ user: ReceiptPage['pending'][number], at: string | null }> => page.flatMap(place => {
    const user = profiles.get(place.userId)
    return place.list !== list || user === undefined ? [] : [{ user, at: isoTimeOrNull(place.at < 0 ? null : place.at) }]
  })
  const count = (list: number): number => places.filter(place => place.list === list).length
  return {
    messageId,
    counts: { read: count(0), delivered: count(1), pending: count(2) },
    read: inList(0),
    delivered: inList(1),
    pending: inList(2).map(({ user }) => user),
    nextCursor: encodeListCursor(pages, rest.length > limit ? page.at(-1) : undefined)
  }
}

function placeIn ({ userId, deliveredSeq, readSeq, at }: Reception, seq: number): Place {
  const list = readSeq >= seq ? 'read' : deliveredSeq >= seq ? 'delivered' : 'pending'
  return { list: LISTS.indexOf(list), at: at ?? -1, userId }
}
