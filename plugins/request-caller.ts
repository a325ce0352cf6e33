import type { Actor } from '../chat/actor.js'
import type { Caller } from '../chat/users.js'

/** A user who has a token, or whom the host has identified. */
export interface UserCaller extends Caller, Actor {
  /** Whether the user may use `/api/admin`. */
  isOperator: boolean
}

/** The user who sends a request, or for whom a service sends it. The latter exists: nothing is to be saved. */
export type RequestCaller = UserCaller | (Actor & { expiresAt: null })
