import { chatError } from '../../errors.js'
import { SearchQuery, type SearchPage } from '../../schemas/search.js'
import type { Database } from '../../store/database.js'
import { readAttachments, readMentions } from '../../store/rendering.js'
import { findCandidates, findFound, findJudged, findSearched, findSeqAt, type Judged, type Place, type Searched } from '../../store/search.js'
import { instantOf } from '../instant.js'
import { decodeListCursor, encodeListCursor } from '../list-cursor.js'
import { beginningsOf, hasAll, highlightsOf, parseQuery, type Term } from './query.js'
import { assertValid, invalid } from '../validation.js'

/** Candidates that are judged in one conversation in one call, until this many were judged in all; then those of one step. */
const JUDGED_EACH = 500
const JUDGED_MAX = 3000
/** Conversations that are looked up together: few at first, since the latest may have enough. */
const TOGETHER = [4, 16, 64]
/** Candidates of one conversation that are looked up at first, and at most: each of many conversations has few of the newest hits. */
const STEP = { first: 8, most: 200 }
/** Where one of so many messages is a candidate, the newest ones are judged without the index, which would name all that are. */
const DENSE = 8
const UNASKED_MOST = 2 * STEP.first

interface Hit extends Place { createdAt: number }

/** Newest first: negative where `a` comes before `b`. */
const inOrder = (a: Hit, b: Hit): number => b.createdAt - a.createdAt || b.seq - a.seq || b.conversation - a.conversation

interface Asked {
  userId: string
  terms: Term[]
  beginnings: string[]
  senderId: string | undefined
  has: SearchQuery['has']
  /** Both exclusive, in epoch milliseconds. */
  after: number
  before: number
  behind: Hit | undefined
}

/** Finds messages. The index says which may match; each is judged as it is now. */
export class Search {
  readonly #database: Database
  readonly #isOn: boolean

  constructor (database: Database, isOn: boolean) {
    this.#database = database
    this.#isOn = isOn
  }

  /** @throws FEATURE_OFF */
  assertOn (): void {
    if (!this.#isOn) throw chatError('FEATURE_OFF')
  }

  /** @throws FEATURE_OFF, VALIDATION_FAILED, INVALID_CURSOR, NOT_FOUND */
  async search (userId: string, query: SearchQuery): Promise<SearchPage> {
    this.assertOn()
    assertValid(SearchQuery, query)
    const { q, conversationId, senderId, has, limit = 20, cursor } = query
    const terms = parseQuery(q)
    const list = {
      name: 'search',
      of: JSON.stringify([userId, q, conversationId, senderId, query.after, query.before, has]),
      place: { createdAt: 'bigint', seq: 'int', conversation: 'int' }
    } as const
    const asked: Asked = {
      userId,
      terms,
      beginnings: beginningsOf(terms),
      senderId,
      has,
      after: bound('after', query.after) ?? -Infinity,
      before: bound('before', query.before) ?? Infinity,
      behind: decodeListCursor(list, cursor)
    }
    const conversations = await findSearched(this.#database, userId, conversationId)
    if (conversationId !== undefined && conversations.length === 0) throw chatError('NOT_FOUND')
    const { hits, next } = await this.#find(conversations.filter(({ updatedAt }) => updatedAt > asked.after), asked, limit)
    const results = (await findFound(this.#database, userId, hits))
      // It may have changed since it was judged.
      .filter(message => message.deletedAt === null && hasAll([message.text, ...message.attachments.map(({ name }) => name)], terms))
      .map(message => ({ message, highlights: highlightsOf(message.text, terms) }))
    return { results, nextCursor: encodeListCursor(list, next && { createdAt: next.createdAt, seq: next.seq, conversation: next.conversation }) }
  }

  async #find (conversations: readonly Searched[], asked: Asked, limit: number): Promise<{ hits: Hit[], next: Hit | undefined }> {
    let hits: Hit[] = []
    /** The newest place behind which something was not judged. */
    let open: Hit | undefined
    let judged = 0
    let isDense = false
    for (let from = 0, round = 0; from < conversations.length; round++) {
      const together = conversations.slice(from, from + (TOGETHER[round] ?? TOGETHER.at(-1)!))
      from += together.length
      const found = await this.#findIn(together, asked, limit + 1, hits, judged < JUDGED_MAX ? JUDGED_EACH : 1, isDense);
      ({ isDense } = found)
      judged += found.judged
      hits = [...hits, ...found.hits].sort(inOrder).slice(0, limit + 1)
      for (const place of found.open) if (open === undefined || inOrder(place, open) < 0) open = place
      const next = conversations[from]
      const oldest = hits[limit]
      if (next === undefined || (oldest !== undefined && oldest.createdAt > next.updatedAt)) break
      await new Promise(resolve => setImmediate(resolve))
    }
    const known = open === undefined ? hits : hits.filter(hit => inOrder(hit, open) <= 0)
    return known.length > limit ? { hits: known.slice(0, limit), next: known[limit - 1] } : { hits: known, next: open }
  }

  /** The newest hits of each conversation, as far as they may be among the first, together with those that are known. */
  async #findIn (
    conversations: readonly Searched[], asked: Asked, limit: number, known: readonly Hit[], most: number, isDense: boolean
  ): Promise<{ hits: Hit[], open: Hit[], judged: number, isDense: boolean }> {
    const { behind, before, beginnings } = asked
    const until = Math.min(behind?.createdAt ?? Infinity, before - 1)
    let left = await Promise.all(conversations.map(async searched => ({
      conversation: searched.num,
      upTo: until < searched.updatedAt ? await findSeqAt(this.#database, searched, until) : searched.messageSeq,
      judged: 0
    })))
    let last = known[limit - 1]
    const isBehind = (hit: Hit): boolean => last !== undefined && inOrder(last, hit) < 0
    const hits: Hit[] = []
    const open: Hit[] = []
    let judged = 0
    for (let step = STEP.first; ; step = Math.min(step * 2, STEP.most)) {
      left = left.filter(({ upTo }) => upTo > 0)
      if (left.length === 0) return { hits, open, judged, isDense }
      const unasked = isDense && step <= UNASKED_MOST
      const places = unasked ? left.flatMap(one => newestOf(one, step)) : await findCandidates(this.#database, left, beginnings, step)
      const messages = places.length === 0 ? [] : await findJudged(this.#database, places)
      judged += messages.length
      const at = new Map(messages.map(message => [`${message.conversation} ${message.seq}`, message]))
      const byConversation = groupOf(places)
      const passed = left.reduce((sum, { conversation, upTo }) => sum + upTo - (byConversation.get(conversation)?.at(-1)?.seq ?? 0), 0)
      if (!unasked) isDense = places.length * DENSE > passed
      left = left.filter(one => {
        const candidates = byConversation.get(one.conversation) ?? []
        for (const { conversation, seq } of candidates) {
          one.upTo = seq - 1
          one.judged++
          const message = at.get(`${conversation} ${seq}`)
          if (message === undefined) continue
          const hit = { conversation, seq, createdAt: message.createdAt }
          if (hit.createdAt <= asked.after || isBehind(hit)) return false
          if (this.#isHit(message, hit, asked)) hits.push(hit)
          if (one.judged >= most) {
            open.push(hit)
            return false
          }
        }
        return candidates.length === step
      })
      last = [...known, ...hits].sort(inOrder)[limit - 1]
      left = left.filter(({ conversation, upTo }) => {
        const oldest = at.get(`${conversation} ${upTo + 1}`)
        return oldest === undefined || !isBehind({ conversation, seq: oldest.seq, createdAt: oldest.createdAt })
      })
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  #isHit (message: Judged, hit: Hit, { userId, terms, senderId, has, before, behind }: Asked): boolean {
    if (message.deletedAt !== null || hit.createdAt >= before || (behind !== undefined && inOrder(behind, hit) >= 0)) return false
    if (senderId !== undefined && message.senderId !== senderId) return false
    const files = readAttachments(message.attachments)
    if (has === 'file' && files.length === 0) return false
    if (has === 'link' && !/https?:\/\//.test(message.text)) return false
    if (has === 'mention' && message.mentionsAll !== true && !readMentions(message.mentions).some(mention => mention.userId === userId)) return false
    return hasAll([message.text, ...files.map(({ name }) => name)], terms)
  }
}

/** So many messages from the newest one on. */
const newestOf = ({ conversation, upTo }: { conversation: number, upTo: number }, count: number): Place[] =>
  Array.from({ length: Math.min(count, upTo) }, (_, index) => ({ conversation, seq: upTo - index }))

function groupOf (places: readonly Place[]): Map<number, Place[]> {
  const groups = new Map<number, Place[]>()
  for (const place of places) {
    const group = groups.get(place.conversation)
    if (group === undefined) groups.set(place.conversation, [place])
    else group.push(place)
  }
  return groups
}

function bound (name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const at = instantOf(text)
  if (at === undefined) throw invalid(`${name} must be an instant (RFC 3339)`)
  return at
}
