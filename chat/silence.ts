import { GROWING_SILENCE_MS } from '../schemas/growing.js'
import type { Unit } from '../store/unit.js'

/** How much later than the end of the silence the deadline may be, in milliseconds. */
const SLACK_MS = 2000

/** How far ahead the deadline of a message that grows can be, in milliseconds. */
export const GROWING_DEADLINE_MS = GROWING_SILENCE_MS + SLACK_MS

/** When a message that grows is finished unless something is appended to it. Most appends leave this as it is, since it is indexed. */
export const silentUntil = ({ ticks }: Unit, until: number | null = null): number =>
  until !== null && until >= ticks + GROWING_SILENCE_MS ? until : ticks + GROWING_DEADLINE_MS
