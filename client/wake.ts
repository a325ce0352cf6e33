import { platform, type AppStateLike } from './platform.js'

/**
 * Calls back when waiting has become pointless: the network is back, the page is looked at again, the app has come to
 * the front.
 *
 * @returns a function that takes all listeners off
 */
export function onWake (wake: () => void, appState?: AppStateLike): () => void {
  const { document } = platform
  const whenVisible = () => { if (document?.visibilityState === 'visible') wake() }
  platform.addEventListener?.('online', wake)
  document?.addEventListener('visibilitychange', whenVisible)
  const subscription = appState?.addEventListener('change', (state) => { if (state === 'active') wake() })
  return () => {
    platform.removeEventListener?.('online', wake)
    document?.removeEventListener('visibilitychange', whenVisible)
    subscription?.remove()
  }
}
