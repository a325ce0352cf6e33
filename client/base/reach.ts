import { platform } from './platform.js'

/** Whether the calls of a client are answered. */
export interface Reach {
  /** False from a call without an answer, or the platform's `offline`, until the next answer or `online`. */
  readonly ok: boolean
  /** Calls back when it changes. @returns a function that ends it */
  follow (changed: () => void): () => void
}

/** What is known from the calls themselves, and from the platform while somebody follows. */
export function createReach (): Reach & { set (ok: boolean): void } {
  const followers = new Set<() => void>()
  let ok = true

  function set (now: boolean): void {
    if (now === ok) return
    ok = now
    followers.forEach((changed) => { changed() })
  }

  return {
    get ok () { return ok },
    set,
    follow (changed) {
      const online = () => { set(true) }
      const offline = () => { set(false) }
      platform.addEventListener?.('online', online)
      platform.addEventListener?.('offline', offline)
      followers.add(changed)
      return () => {
        followers.delete(changed)
        platform.removeEventListener?.('online', online)
        platform.removeEventListener?.('offline', offline)
      }
    }
  }
}
