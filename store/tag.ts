import { randomInt } from 'node:crypto'

/**
 * Returns a tag for a transaction: eight random characters, which are part of each row that it writes to the event log. After
 * a failover that lost the end of the log, other transactions take the same positions, and the tag tells them apart. It does
 * not depend on anything else, so that no later edit, deletion or erasure changes it.
 */
export const newTag = (): string => randomInt(36 ** 8).toString(36).padStart(8, '0')

/** SQL for the tag of an event. For rows of versions without tags, it is the instant of their transaction. */
export const tagOf = (event: string): string => `coalesce(${event}.tag, CAST(${event}.created_at AS text))`
