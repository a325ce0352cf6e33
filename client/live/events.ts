import type { DurableEventType, EventType } from '../../schemas/events.js'

/** Events that are not stored. The live states hear them, too, but need not name each. */
export type Fleeting = Exclude<EventType, DurableEventType>

/**
 * Ends a `switch` over events. What is left must be among `Named`, the events that change nothing here (or that are applied
 * elsewhere, such as by `reduce`): a new durable event does not compile until each live state handles or names it.
 */
export function needsNothing<Named extends EventType> (_type: Named): void {}
