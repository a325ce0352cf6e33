import type { AnyEmission } from './emission.js'

/**
 * An event as it stands on the wire (HTML Living Standard, 9.2.6), made once for all streams. Names and ids are ours
 * and hold no line ends; the data is JSON on one line (see `jsonLine`).
 */
export interface Frame {
  /** From `event:` to the empty line. */
  readonly body: string
  /** The `id:` on a stream of the one topic; none for ephemeral events. */
  readonly id: string | undefined
  readonly seq: number | undefined
  readonly position: number | undefined
  readonly except: string | undefined
  readonly neverToThem: boolean
}

export const HEARTBEAT = Buffer.from(': heartbeat\n\n')

export function frameOf ({ type, data, id, seq, position, except, neverToThem = false }: AnyEmission): Frame {
  return { body: eventText(type, data), id, seq, position, except, neverToThem }
}

/** Whether a stream of this user gets the frame. */
export const isFor = ({ except, neverToThem }: Frame, { userId, echo }: { userId: string, echo: boolean }): boolean =>
  except !== userId || (echo && !neverToThem)

export const eventText = (type: string, data: unknown): string => `event: ${type}\ndata: ${jsonLine(data)}\n\n`

/** JSON.stringify escapes CR and LF. Parsers that split by Unicode's line ends would also split at these, which it leaves. */
const jsonLine = (data: unknown): string => JSON.stringify(data ?? null).replace(/[\u0085\u2028\u2029]/g, escaped)

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

export const withId = (id: string, text: string): string => `id: ${id}\n${text}`

/** Frames as a stream of one topic shows them. */
export function topicText (frames: readonly Frame[]): string {
  let text = ''
  for (const { id, body } of frames) text += id === undefined ? body : withId(id, body)
  return text
}

/**
 * Frames as a stream of all topics shows them: with one position for all but the last durable one, which may tell that
 * everything up to a later position has been seen.
 */
export function allText (frames: readonly Frame[], before: string, after: string): string {
  const last = frames.findLastIndex(({ seq }) => seq !== undefined)
  let text = ''
  frames.forEach(({ seq, body }, index) => {
    text += seq === undefined ? body : withId(index === last ? after : before, body)
  })
  return text
}
