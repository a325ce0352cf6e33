import { platform, type AppStateLike } from '../base/platform.js'

/**
 * Calls back when waiting has become pointless: the network is back (`online` is true), the page is looked at again, the
 * app has come to the front.
 *
 * @returns a function that takes all listeners off
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
