import { platform } from './platform.js'

declare const process: { env: { EXPO_PUBLIC_API_URL?: string } }

/**
 * Where the service is when nobody says: `EXPO_PUBLIC_API_URL` where a bundler sets it, else the page's own origin in a
 * browser, else the address that `npm start` listens on.
 */
export function defaultBaseUrl (): string {
  let configured
  try {
    // Bundlers replace exactly this expression by its value; where none did and there is no `process`, it throws.
    configured = process.env.EXPO_PUBLIC_API_URL
  } catch {}
  if (configured) return configured
  const origin = platform.location?.origin
  // In React Native a `location` is the development server's, if there is one at all; a file's origin is "null".
  if (origin?.startsWith('http') && platform.navigator?.product !== 'ReactNative') return origin
  return 'http://localhost:3000'
}

/** The base URL of the options, without a trailing slash; it may hold a path. */
export function baseUrlOf (options: { baseUrl?: string | undefined }): string {
  let url = options.baseUrl ?? defaultBaseUrl()
  while (url.endsWith('/')) url = url.slice(0, -1)
  return url
}

/** `?a=1&b=2` of what is set; empty when nothing is. */
export function queryOf (parameters: Record<string, string | number | boolean | null | undefined>): string {
  // Written by hand because React Native's own URLSearchParams is incomplete.
  const pairs = Object.entries(parameters)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}
