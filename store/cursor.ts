/**
 * Positions in the event log, as `id:` of an event shows them: letters, digits and `.` only, 128 bytes at most, so that
 * `Last-Event-ID` stays a header that needs no CORS preflight.
 *
 * | form | place |
 * | --- | --- |
 * | `<identity>.<conversation>.<eventSeq>` | in one conversation's log |
 * | `<identity>.all.<position>` | in all: whatever transactions up to this one logged has been seen |
 * | `<identity>.all.<from>.<to>.<conversation>.<eventSeq>` | catching up: conversations below this one are seen up to `to`, this one up to `eventSeq`, those above up to `from` |
 *
 * The identity is the database's: an id from another one is recognised.
 */
export interface TopicCursor { kind: 'topic', identity: string, num: number, seq: number }
export interface AllCursor { kind: 'all', identity: string, from: number, partial?: { to: number, num: number, seq: number } }
export type Cursor = TopicCursor | AllCursor

export const cursorOfTopic = (identity: string, num: number, seq: number): string => `${identity}.${num}.${seq}`

export const cursorOfAll = (identity: string, position: number): string => `${identity}.all.${position}`

export const cursorOfCatchUp = (identity: string, from: number, to: number, num: number, seq: number): string =>
  `${identity}.all.${from}.${to}.${num}.${seq}`

const topicForm = /^([a-z0-9]{1,32})\.(\d{1,10})\.(\d{1,10})$/
const allForm = /^([a-z0-9]{1,32})\.all\.(\d{1,15})(?:\.(\d{1,15})\.(\d{1,10})\.(\d{1,10}))?$/

/** Undefined when it is no cursor of ours. */
export function parseCursor (id: string): Cursor | undefined {
  const topic = topicForm.exec(id)
  if (topic !== null) return { kind: 'topic', identity: topic[1]!, num: Number(topic[2]), seq: Number(topic[3]) }
  const all = allForm.exec(id)
  if (all === null) return undefined
  const cursor: AllCursor = { kind: 'all', identity: all[1]!, from: Number(all[2]) }
  if (all[3] !== undefined) cursor.partial = { to: Number(all[3]), num: Number(all[4]), seq: Number(all[5]) }
  return cursor
}
