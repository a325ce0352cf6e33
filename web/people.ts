import { baseUrl } from './service.js'

/** Somebody signed in. */
export interface Person {
  userId: string
  displayName: string
  /** Empty where the host says who it is. */
  token: string
}

/** Who is signed in here: nobody, one, or the two of the trial and the conversation they have. */
export interface SignedIn {
  people: Person[]
  conversationId?: string | undefined
}

/**
 * Kept twice: for this tab, so that two tabs can be two people, each through every reload; and for the browser, so that
 * a new tab is whoever signed in last.
 */
const key = `fastify-sse-chat ${new URL(baseUrl).pathname}`
const nobody: SignedIn = { people: [] }

function read (storage: 'sessionStorage' | 'localStorage'): SignedIn | null {
  try {
    const kept = JSON.parse(window[storage].getItem(key) ?? 'null') as SignedIn | null
    return Array.isArray(kept?.people) ? kept : null
  } catch {
    return null // storage may be off
  }
}

function write (storage: 'sessionStorage' | 'localStorage', signedIn: SignedIn | null): void {
  try {
    if (signedIn === null) window[storage].removeItem(key)
    else window[storage].setItem(key, JSON.stringify(signedIn))
  } catch {
    // Then it lasts as long as the page. Where there is no room, what was kept before must not count for new.
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

/** The newest token of somebody: another tab may have signed in again. */
export function tokenOf ({ userId, token }: Person): string {
  for (const storage of ['localStorage', 'sessionStorage'] as const) {
    const found = read(storage)?.people.find((person) => person.userId === userId)
    if (found !== undefined) return found.token
  }
  return token
}

/** Calls back when somebody has signed out in another tab. @returns a function that ends it */
export function onSignedOutElsewhere (userId: string, callback: () => void): () => void {
  const listener = (event: StorageEvent) => {
    if (event.key !== key || event.newValue !== null) return
    const before = JSON.parse(event.oldValue ?? 'null') as SignedIn | null
    if (has(before, userId)) callback()
  }
  addEventListener('storage', listener)
  return () => { removeEventListener('storage', listener) }
}
