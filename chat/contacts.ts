import type { EphemeralEvents } from '../schemas/events.js'
import type { Unit } from '../store/unit.js'

/** Groups of more participants do not hear who of theirs is online, or has another name. */
const CONTACTS_MAX = 100

/** Tells those who share a conversation with a user, but neither the user nor those whom the user blocks, whether the user is online. */
export function tellOnline (unit: Unit, data: EphemeralEvents['onlineStatus']): void {
  unit.tellContacts(data.userId, 'onlineStatus', data, CONTACTS_MAX, { except: data.userId, neverToThem: true, isPresence: true })
}

/** Tells one user that another one, with whom they share a conversation, is offline. */
export function tellHidden (unit: Unit, data: EphemeralEvents['onlineStatus'], to: string): void {
  unit.tellContacts(data.userId, 'onlineStatus', data, CONTACTS_MAX, { only: to })
}

/** Tells those who share a conversation with a user, and the user's own streams, how the user is shown now. */
export function tellProfile (unit: Unit, data: EphemeralEvents['userUpdated']): void {
  unit.tellContacts(data.userId, 'userUpdated', data, CONTACTS_MAX, { users: [data.userId] })
}
