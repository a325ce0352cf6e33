import type { ConversationListQuery } from '../schemas/conversations.js'
import type { ListFilter } from '../store/queries.js'
import type { List } from './list-cursor.js'

const PLACE = { activity: 'bigint', num: 'int' } as const

/** The list of a user's conversations that a query asks for. Each set of filters is a list of its own, with its own cursors. */
export function conversationList (userId: string, query: ConversationListQuery): { filter: ListFilter, list: List<typeof PLACE> } {
  const { archived = 'false', favourite = false, unread = false } = query
  const names = [...(archived === 'false' ? [] : [`archived:${archived}`]), ...(favourite ? ['favourite'] : []), ...(unread ? ['unread'] : [])]
  return {
    filter: { archived: archived === 'all' ? undefined : archived === 'true', favourite, unread },
    list: { name: ['conversations', ...names].join('/'), of: userId, place: PLACE }
  }
}
