import { randomInt } from 'node:crypto'

/**
 * A transaction's tag: eight random characters in each row that it writes to the event log. After a failover that lost the
 * end of the log, other transactions take the same numbers; the tag tells them apart. It depends on nothing else, so no
 * later edit, removal or erasure changes it.
 */
export const newTag = (): string => randomInt(36 ** 8).toString(36).padStart(8, '0')

/** SQL for the tag of an event: rows of versions without tags have the instant of their transaction instead. */
export const tagOf = (event: string): string => `coalesce(${event}.tag, CAST(${event}.created_at AS text))`
