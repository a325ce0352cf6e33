import { platform } from './platform.js'

declare const process: { env: { EXPO_PUBLIC_API_URL?: string } }

/**
 * The base URL when none is given: `EXPO_PUBLIC_API_URL` if a bundler sets it, else the page's own origin in a browser,
 * else the address that `npm start` listens on.
 */
export function defaultBaseUrl (): string {
  let configured
  try {
    // Bundlers replace exactly this expression with its value. If none did and there is no `process`, it throws.
    configured = process.env.EXPO_PUBLIC_API_URL
  } catch {}
  if (configured) return configured
  const origin = platform.location?.origin
  // In React Native, `location` is that of the development server, if it exists at all. The origin of a file is "null".
  if (origin?.startsWith('http') && platform.navigator?.product !== 'ReactNative') return origin
  return 'http://localhost:3000'
}

/** The base URL, without a trailing slash. It may contain a path. */
export function baseUrlOf (options: { baseUrl?: string | undefined }): string {
  let url = options.baseUrl ?? defaultBaseUrl()
  while (url.endsWith('/')) url = url.slice(0, -1)
  return url
}

export type Query = Record<string, string | number | boolean | null | undefined>

/** A query string such as `?a=1&b=2`. Parameters that are null or undefined are left out; the result is empty if all are. */
export function queryOf (parameters: Query): string {
  // Written by hand because React Native's own URLSearchParams is incomplete.
  const pairs = Object.entries(parameters)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}
