import type { ChatClient } from '../client.js'
import type { OwnMessage, SendMessageBody } from '../custom.js'
import { onAbort } from '../base/abort.js'
import { createClientId } from '../base/client-id.js'
import { instant } from '../base/clock.js'
import { ChatError, isTransient } from '../base/errors.js'
import type { Timer } from '../base/platform.js'
import type { Draft } from './draft.js'
import type { Pending, PendingUpload } from './timeline.js'

export interface OutboxOptions {
  client: ChatClient
  conversationId: string
  signal: AbortSignal
  pending: Map<string, Pending>
  /** Called before a message is sent. The function that it returns is called with the sent message. */
  sending (): (message: OwnMessage) => void
  changed (): void
}

/** The wait before the next try is random, up to this, in milliseconds. The call itself has waited longer and longer before. */
const AGAIN_MS = 8000

/** Whether the message may go out by itself later. Not in slow mode, which may last an hour, or if it broke the service. */
const mayPass = (error: unknown) => error instanceof ChatError && isTransient(error) && error.statusCode !== 500 && error.statusCode !== 429

/** What is sent. A retry sends the same, because the service compares it with what the `clientId` was first used for. */
const contentOf = (
  { text, type, clientId, metadata, replyToId, mentions, mentionsAll, uploads }: Pending
): Omit<SendMessageBody, 'conversationId'> => ({
  text,
  type,
  clientId,
  ...(metadata === null ? {} : { metadata }),
  ...(replyToId === null ? {} : { replyToId }),
  ...(mentions.length === 0 ? {} : { mentions: [...mentions] }),
  ...(mentionsAll ? { mentionsAll } : {}),
  ...(uploads.length === 0 ? {} : { attachments: uploads.map(({ file }) => ({ fileId: file?.fileId ?? '' })) })
})

/**
 * Sends the user's messages one at a time, so that they keep the order in which they were written. While the service cannot
 * be reached they wait: for the next connection, or for the next try. Only a message that the service refuses has failed.
 */
export function createOutbox ({ client, conversationId, signal, pending, sending, changed }: OutboxOptions) {
  let busy = false
  /** How often there was a reason to try again, such as a new connection. */
  let calls = 0
  let timer: Timer | undefined

  function set (entry: Pending, change: Partial<Pending>): void {
    pending.set(entry.clientId, { ...entry, ...change })
    changed()
  }

  /** The message whose files are being uploaded, and how to stop that. */
  let uploading: { clientId: string, abort: AbortController } | undefined

  /** Uploads the files of a message one after the other, except those that an earlier attempt has uploaded. */
  async function upload (clientId: string): Promise<void> {
    const abort = new AbortController()
    const stop = onAbort(signal, () => { abort.abort() })
    uploading = { clientId, abort }
    const put = (at: number, change: Partial<PendingUpload>) => {
      const entry = pending.get(clientId)
      if (entry !== undefined) set(entry, { uploads: entry.uploads.map((known, index) => index === at ? { ...known, ...change } : known) })
    }
    try {
      for (const [at, { source, name, file }] of (pending.get(clientId)?.uploads ?? []).entries()) {
        if (file !== null) continue
        const onProgress = (progress: number) => { put(at, { progress }) }
        put(at, { file: await client.upload(source, { name, onProgress, signal: abort.signal }) })
      }
    } finally {
      stop()
      uploading = undefined
    }
  }

  async function flush (): Promise<void> {
    calls++
    if (busy) return
    busy = true
    clearTimeout(timer)
    for (;;) {
      const entry = Array.from(pending.values()).find(({ status }) => status === 'sending')
      if (entry === undefined || signal.aborted) break
      const { clientId } = entry
      const then = calls
      const sent = sending()
      try {
        if (entry.uploads.length > 0) await upload(clientId)
        const message = await client.sendMessage({ conversationId, ...contentOf(pending.get(clientId) ?? entry) }, { signal })
        pending.delete(clientId)
        sent(message)
      } catch (thrown) {
        if (signal.aborted) break
        if (!pending.has(clientId)) continue // The stream has already delivered this message
        if (mayPass(thrown)) {
          if (calls !== then) continue
          timer = setTimeout(flush, Math.random() * AGAIN_MS)
          break
        }
        // Files that have expired in the meantime are uploaded again by a retry.
        const expired = thrown instanceof ChatError && thrown.code === 'UNKNOWN_FILE'
        const { uploads } = pending.get(clientId) ?? entry
        const again = expired ? uploads.map((upload) => ({ ...upload, progress: 0, file: null })) : uploads
        set(entry, { uploads: again, status: 'failed', error: thrown as Error })
      }
    }
    busy = false
  }

  function put (entry: Pending): void {
    set(entry, { status: 'sending', error: null })
    void flush()
  }

  return {
    /** @returns the message's client id */
    send ({ text = '', type = 'text', metadata = null, replyTo: replyToId = null, mentions = [], mentionsAll = false, files = [] }: Draft): string {
      const clientId = createClientId()
      const uploads = files.map((source) => ({ source, name: source.name ?? 'file', progress: 0, file: null }))
      const content = { text, type, metadata, replyToId, mentions, mentionsAll, uploads }
      put({ ...content, clientId, createdAt: instant(), status: 'sending', error: null })
      return clientId
    },
    /** Tries again at once what waits. */
    flush,
    retry (key: string): void {
      const entry = pending.get(key)
      if (entry?.status === 'failed') put(entry)
    },
    discard (key: string): void {
      const isUploading = uploading?.clientId === key
      if (isUploading || pending.get(key)?.status === 'failed') pending.delete(key)
      if (isUploading) uploading?.abort.abort()
      changed()
    },
    close (): void { clearTimeout(timer) }
  }
}
