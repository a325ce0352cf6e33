import { isUserId, isWebUrl, shownName } from '../../schemas/names.js'

/** Returns those of these users whom the host knows. The names and pictures of users whom the chat knows do not change by it. */
export type ResolveUsers = (userIds: string[]) =>
Promise<Array<{ userId: string, displayName?: string | null, avatar?: string | null }>>

export interface ResolvedUser { userId: string, displayName: string, avatar: string | null }

/** Users as a host returns them: of those that were asked for. @throws TypeError if they are nothing of the kind */
export function resolvedUsers (asked: readonly string[], answer: unknown): ResolvedUser[] {
  if (answer === undefined || answer === null) return []
  if (!Array.isArray(answer)) throw new TypeError('hooks.resolveUsers must return an array')
  const wanted = new Set(asked)
  return answer.flatMap((entry: unknown) => {
    const { userId, displayName, avatar } = (entry ?? {}) as Record<string, unknown>
    if (typeof userId !== 'string' || !isUserId(userId) || !wanted.delete(userId)) return []
    return [{
      userId,
      displayName: (typeof displayName === 'string' ? shownName(displayName) : null) ?? userId,
      avatar: typeof avatar === 'string' && isWebUrl(avatar) ? avatar : null
    }]
  })
}
