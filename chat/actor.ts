/** What a call comes through: HTTP, the host's own process, or a service that has a key of this name. */
export type Via = 'http' | 'process' | `service:${string}`

/** Who does something, and through what. */
export interface Actor {
  userId: string
  via: Via
}

/** Who does something. A user id alone: in process. */
export type Acting = string | Actor

export const actorOf = (acting: Acting): Actor => typeof acting === 'string' ? { userId: acting, via: 'process' } : acting

/** Whether a service acts for the user. It need not heed who may post and how often, but all else that holds for the user. */
export const isService = ({ via }: Actor): boolean => via.startsWith('service:')
