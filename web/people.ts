import { baseUrl } from './service.js'

/** A user who is signed in. */
export interface Person {
  userId: string
  displayName: string
  /** Empty if the host app identifies the user. */
  token: string
}

/** The users who are signed in: none, one, or the two of the trial with their conversation. */
export interface SignedIn {
  people: Person[]
  conversationId?: string | undefined
}

/**
 * The key under which they are stored, twice: for this tab, so that two tabs can be two people and each survives a reload;
 * and for the browser, so that a new tab belongs to whoever signed in last.
 */
const key = `fastify-sse-chat ${new URL(baseUrl).pathname}`
const nobody: SignedIn = { people: [] }

function read (storage: 'sessionStorage' | 'localStorage'): SignedIn | null {
  try {
    const kept = JSON.parse(window[storage].getItem(key) ?? 'null') as SignedIn | null
    return Array.isArray(kept?.people) ? kept : null
  } catch {
    return null // Storage may be disabled
  }
}

function write (storage: 'sessionStorage' | 'localStorage', signedIn: SignedIn | null): void {
  try {
    if (signedIn === null) window[storage].removeItem(key)
    else window[storage].setItem(key, JSON.stringify(signedIn))
  } catch {
    // Without storage, the sign-in lasts as long as the page. If storage is full, an old sign-in must not take its place.
    try { window[storage].removeItem(key) } catch {}
  }
}

const has = (signedIn: SignedIn | null, userId: string) => signedIn?.people.some((person) => person.userId === userId) === true

export function remembered (): SignedIn {
  const signedIn = read('sessionStorage') ?? read('localStorage')
  if (signedIn !== null) write('sessionStorage', signedIn)
  return signedIn ?? nobody
}

export function remember (signedIn: SignedIn): void {
  write('sessionStorage', signedIn)
  write('localStorage', signedIn)
}

export function forget ({ people }: SignedIn): void {
  write('sessionStorage', nobody)
  const first = people[0]
  if (first !== undefined && has(read('localStorage'), first.userId)) write('localStorage', null)
}

/** The user's newest token: another tab may have signed in again. */
export function tokenOf ({ userId, token }: Person): string {
  for (const storage of ['localStorage', 'sessionStorage'] as const) {
    const found = read(storage)?.people.find((person) => person.userId === userId)
    if (found !== undefined) return found.token
  }
  return token
}

/** Calls back when the user has signed out in another tab. @returns a function that ends it */
export function onSignedOutElsewhere (userId: string, callback: () => void): () => void {
  const listener = (event: StorageEvent) => {
    if (event.key !== key || event.newValue !== null) return
    const before = JSON.parse(event.oldValue ?? 'null') as SignedIn | null
    if (has(before, userId)) callback()
  }
  addEventListener('storage', listener)
  return () => { removeEventListener('storage', listener) }
}
