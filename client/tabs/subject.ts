import { platform } from '../base/platform.js'

/** The `sub` of a JWT, which is not verified. Null if the token is not a JWT or has no `sub`. */
export function subjectOf (token: string): string | null {
  try {
    const payload = token.split('.')[1]?.replace(/-/g, '+').replace(/_/g, '/') ?? ''
    const bytes = Uint8Array.from(platform.atob?.(payload) ?? '', (letter) => letter.charCodeAt(0))
    const { sub } = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown }
    return typeof sub === 'string' ? sub : null
  } catch {
    return null
  }
}
