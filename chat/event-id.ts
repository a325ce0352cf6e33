/**
 * Places in the event log, as `id:` of an event shows them: letters, digits, `.` and `-` only, 128 bytes at most, so that
 * `Last-Event-ID` stays a header that needs no CORS preflight.
 *
 * | form | place |
 * | --- | --- |
 * | `<identity>.<conversation>-<tag>.<eventSeq>` | in one conversation's log |
 * | `<identity>.all-<tag>.<position>` | in all: whatever transactions up to this one logged has been seen |
 * | `<identity>.all-<tag>-<shown>.<position>` | the same, and events of later transactions up to `shown` have been seen, but perhaps not all |
 * | `<identity>.all-<tag>-<shown>.<from>.<to>.<conversation>.<eventSeq>` | catching up: conversations with a lower number have been seen up to
 *   `to`, this one up to `eventSeq`, those with a higher number up to `from` |
 *
 * The identity is the database's: an id from another one is recognised. The tag (see tag.ts) names the event, and not only
 * its number: it is that of the transaction that wrote the event, or, in all conversations, of the newest transaction of
 * which the client has seen anything. Transactions form one sequence, so a log that has this one has all that was seen.
 *
 * `-<tag>` is missing where there is no event (the number is 0), where the event is not kept any more, and in ids that
 * versions without tags gave out. Nodes of both versions run side by side during an upgrade, and clients come back with
 * older ids after it: such an id is judged by its number alone.
 */
export interface TopicCursor { kind: 'topic', identity: string, num: number, seq: number, tag: string | undefined }

export interface AllCursor {
  kind: 'all'
  identity: string
  from: number
  /** The newest transaction of which anything has been seen. */
  shown: { position: number, tag: string | undefined }
  partial?: { to: number, num: number, seq: number }
}

export type Cursor = TopicCursor | AllCursor

type Tag = string | null | undefined

export const cursorOfTopic = (identity: string, num: number, seq: number, tag: Tag): string =>
  tag == null ? `${identity}.${num}.${seq}` : `${identity}.${num}-${tag}.${seq}`

/** A transaction, and its tag where that is known. */
interface Place { position: number, tag: Tag }

/** `shown` counts where that isn't before the position. */
export const cursorOfAll = (identity: string, { position, tag }: Place, shown?: Place): string =>
  `${identity}.${nameOf(position, tag, shown)}.${position}`

export const cursorOfCatchUp = (
  identity: string, from: number, { position: to, tag }: Place, { num, seq }: { num: number, seq: number }, shown?: Place
): string =>
  `${identity}.${nameOf(to, tag, shown)}.${from}.${to}.${num}.${seq}`

function nameOf (position: number, tag: Tag, shown: Place | undefined): string {
  if (shown?.tag == null || shown.position < position) return tag == null ? 'all' : `all-${tag}`
  return shown.position === position ? `all-${shown.tag}` : `all-${shown.tag}-${shown.position}`
}

const topicForm = /^([a-z0-9]{1,32})\.(\d{1,10})(?:-([a-z0-9]{1,16}))?\.(\d{1,10})$/
const allForm = /^([a-z0-9]{1,32})\.all(?:-([a-z0-9]{1,16})(?:-(\d{1,15}))?)?\.(\d{1,15})(?:\.(\d{1,15})\.(\d{1,10})\.(\d{1,10}))?$/

/** Undefined when it is no cursor of ours. */
export function parseCursor (id: string): Cursor | undefined {
  const topic = topicForm.exec(id)
  if (topic !== null) return { kind: 'topic', identity: topic[1]!, num: Number(topic[2]), tag: topic[3], seq: Number(topic[4]) }
  const all = allForm.exec(id)
  if (all === null) return undefined
  const [, identity = '', tag, shown, from, to, num, seq] = all
  return {
    kind: 'all',
    identity,
    from: Number(from),
    shown: { position: Number(shown ?? to ?? from), tag },
    ...(to === undefined ? {} : { partial: { to: Number(to), num: Number(num), seq: Number(seq) } })
  }
}
