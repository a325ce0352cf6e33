import { platform, type AppStateLike } from '../base/platform.js'

/**
 * Calls back when a stream should reconnect without delay: the network is back (`online` is true), the page has become
 * visible, or the app has come to the foreground.
 *
 * @returns a function that removes all listeners
 */
export function onWake (wake: (online: boolean) => void, appState?: AppStateLike): () => void {
  const { document } = platform
  const whenOnline = () => { wake(true) }
  const whenVisible = () => { if (document?.visibilityState === 'visible') wake(false) }
  platform.addEventListener?.('online', whenOnline)
  document?.addEventListener('visibilitychange', whenVisible)
  const subscription = appState?.addEventListener('change', (state) => { if (state === 'active') wake(false) })
  return () => {
    platform.removeEventListener?.('online', whenOnline)
    document?.removeEventListener('visibilitychange', whenVisible)
    subscription?.remove()
  }
}
