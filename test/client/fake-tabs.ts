import { BroadcastChannel } from 'node:worker_threads'
import type { BroadcastChannelLike, LockManagerLike } from '../../client/base/platform.js'
import type { TabPlatform } from '../../client/tabs/tabs.js'

/** Web Locks as in a browser: exclusive, first come, first served. A lock can be stolen and released. */
export function createFakeLocks (): LockManagerLike & { held: () => number, queued: () => number } {
  interface Holder { lost: (error: Error) => void }
  const holders = new Map<string, Holder>()
  const queues = new Map<string, (() => void)[]>()
  const aborted = () => new DOMException('The request was aborted', 'AbortError')

  function next (name: string): void {
    if (!holders.has(name)) queues.get(name)?.shift()?.()
  }

  return {
    held: () => holders.size,
    queued: () => [...queues.values()].reduce((sum, queue) => sum + queue.length, 0),
    request: (name, { steal, signal }, callback) => new Promise((resolve, reject) => {
      const grant = () => {
        const holder: Holder = { lost: reject }
        holders.set(name, holder)
        void Promise.resolve().then(callback).then(resolve, reject).finally(() => {
          if (holders.get(name) === holder) holders.delete(name)
          next(name)
        })
      }
      if (signal?.aborted === true) return reject(aborted())
      if (steal === true) {
        holders.get(name)?.lost(aborted())
        return grant()
      }
      const queue = queues.get(name) ?? []
      queues.set(name, queue)
      queue.push(grant)
      signal?.addEventListener('abort', () => {
        const index = queue.indexOf(grant)
        if (index < 0) return
        queue.splice(index, 1)
        reject(aborted())
      })
      next(name)
    })
  }
}

export interface FakeTab extends TabPlatform {
  /** A frozen tab neither sends nor receives. */
  frozen: boolean
  channels: number
  /** Resolves when the tab was frozen as a message arrived that contains this text, such as the id of an event. */
  misses: (text: string) => Promise<void>
}

/** A tab's view of the locks and the channel. */
export function createFakeTab (locks: LockManagerLike): FakeTab {
  const missed: string[] = []
  const awaited = new Map<string, () => void>()
  const miss = (data: unknown) => {
    const message = JSON.stringify(data)
    missed.push(message)
    for (const [text, resolve] of awaited) if (message.includes(text)) resolve()
  }
  const tab = {
    locks,
    frozen: false,
    channels: 0,
    misses: (text: string) => new Promise<void>((resolve) => {
      if (missed.some((message) => message.includes(text))) resolve()
      else awaited.set(text, resolve)
    }),
    BroadcastChannel: class implements BroadcastChannelLike {
      readonly #channel: BroadcastChannel

      constructor (name: string) {
        tab.channels++
        this.#channel = new BroadcastChannel(name)
      }

      addEventListener (_type: 'message', listener: (event: { data: unknown }) => void): void {
        this.#channel.onmessage = (event) => {
          const { data } = event as { data: unknown }
          if (tab.frozen) miss(data)
          else listener({ data })
        }
      }

      postMessage (message: unknown): void { if (!tab.frozen) this.#channel.postMessage(message) }

      close (): void {
        tab.channels--
        this.#channel.close()
      }
    }
  }
  return tab
}
