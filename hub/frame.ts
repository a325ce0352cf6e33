import type { AnyEmission } from './emission.js'
import { later, type Transaction } from './known-log.js'

/**
 * An event as it is written (HTML Living Standard, 9.2.6), made once for all streams. Names and ids come from the server
 * and hold no line ends; the data is JSON on one line (see `jsonLine`).
 */
export interface Frame {
  /** From `event:` to the empty line. */
  readonly body: string
  /** The `id:` on a stream of the one topic; none for ephemeral events. */
  readonly id: string | undefined
  readonly seq: number | undefined
  readonly position: number | undefined
  readonly tag: string | undefined
  readonly grows: string | undefined
  readonly except: string | undefined
  readonly neverToThem: boolean
}

/** One line end: an empty line as well would be an empty message to some clients (docs/other-clients.md). */
export const HEARTBEAT = Buffer.from(': heartbeat\n')

/** @throws when the data cannot be written as JSON: a BigInt, a circle, a `toJSON` that throws, `undefined` */
export function frameOf (emission: AnyEmission): Frame {
  if (emission.blank === true) return blankFrame(emission)
  const { type, data, id, seq, position, tag, grows, except, neverToThem = false } = emission
  return { body: eventText(type, data), id, seq, position, tag, grows, except, neverToThem }
}

/** Stands in for an event that cannot be written: a comment with its id, so that streams go on. */
export const blankFrame = ({ id, seq, position, tag, grows, except, neverToThem = false }: AnyEmission): Frame =>
  ({ body: ':\n\n', id, seq, position, tag, grows, except, neverToThem })

/** Whether a stream of this user gets the frame. */
export const isFor = ({ except, neverToThem }: Frame, { userId, echo }: { userId: string, echo: boolean }): boolean =>
  except !== userId || (echo && !neverToThem)

export const eventText = (type: string, data: unknown): string => `event: ${type}\ndata: ${jsonLine(data)}\n\n`

/** `JSON.stringify` escapes CR and LF, but not the other line ends of Unicode, at which sloppy parsers split. */
function jsonLine (data: unknown): string {
  const json = JSON.stringify(data) as string | undefined
  if (json === undefined) throw new TypeError('The data of an event must be a JSON value')
  return json.replace(/[\u0085\u2028\u2029]/g, escaped)
}

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

export const withId = (id: string, text: string): string => `id: ${id}\n${text}`

/** Frames as a stream of one topic shows them. */
export function topicText (frames: readonly Frame[]): string {
  let text = ''
  for (const { id, body } of frames) text += id === undefined ? body : withId(id, body)
  return text
}

/**
 * How far a stream of all topics is. Written as an `id:` together with `shown`, the newest transaction of which anything has
 * been sent.
 */
export type Cursor = (shown: Transaction) => string

export const isDurable = (frames: readonly Frame[]): boolean => frames.some(({ seq }) => seq !== undefined)

/** Whether a stream that does not get these frames now has to be told later what they say. */
export const isOwed = (frames: readonly Frame[]): boolean => frames.some(({ seq, grows }) => seq !== undefined || grows !== undefined)

/**
 * Frames as a stream of all topics shows them: with the cursor `before`, and `after` for the last durable one, which may be
 * further. `shown` is the newest transaction of which anything was sent before.
 */
export function allText (frames: readonly Frame[], before: Cursor, after: Cursor, shown: Transaction): string {
  const last = frames.findLastIndex(({ seq }) => seq !== undefined)
  let text = ''
  frames.forEach((frame, index) => {
    if (frame.seq !== undefined) shown = later(shown, frame)
    text += frame.seq === undefined ? frame.body : withId((index === last ? after : before)(shown), frame.body)
  })
  return text
}
