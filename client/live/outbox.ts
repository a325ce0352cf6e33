import type { ChatClient } from '../client.js'
import type { OwnMessage, SendMessageBody } from '../custom.js'
import { ChatError, isTransient } from '../base/errors.js'
import type { Pending } from './timeline.js'

export interface OutboxOptions {
  client: ChatClient
  conversationId: string
  signal: AbortSignal
  pending: Map<string, Pending>
  /** Called before a message is sent. The function that it returns is called with the sent message. */
  sending (): (message: OwnMessage) => void
  changed (): void
  /** Whether the stream is reconnecting. Messages that could not be sent wait for it. */
  connecting (): boolean
}

/** What is sent. A retry sends the same, because the service compares it with what the `clientId` was first used for. */
const contentOf = ({ text, type, clientId, metadata, replyToId, mentions, mentionsAll }: Pending): Omit<SendMessageBody, 'conversationId'> => ({
  text,
  type,
  clientId,
  ...(metadata === null ? {} : { metadata }),
  ...(replyToId === null ? {} : { replyToId }),
  ...(mentions.length === 0 ? {} : { mentions: [...mentions] }),
  ...(mentionsAll ? { mentionsAll } : {})
})

/** Sends the user's messages one at a time, so that they keep the order in which they were written. */
export function createOutbox ({ client, conversationId, signal, pending, sending, changed, connecting }: OutboxOptions) {
  let busy = false
  /** How often the stream has connected. Each connection is a reason to try again. */
  let connections = 0

  function set (entry: Pending, change: Partial<Pending>): void {
    pending.set(entry.clientId, { ...entry, ...change })
    changed()
  }

  async function flush (): Promise<void> {
    if (busy) return
    busy = true
    for (;;) {
      const entry = Array.from(pending.values()).find(({ status }) => status === 'sending')
      if (entry === undefined || signal.aborted) break
      const { clientId } = entry
      const then = connections
      const sent = sending()
      try {
        const message = await client.sendMessage({ conversationId, ...contentOf(entry) }, { signal })
        pending.delete(clientId)
        sent(message)
      } catch (thrown) {
        if (signal.aborted) break
        if (!pending.has(clientId)) continue // The stream has already delivered this message
        if (thrown instanceof ChatError && isTransient(thrown)) {
          if (connections !== then) continue
          if (connecting()) break // The next connection flushes again
        }
        set(entry, { status: 'failed', error: thrown as Error })
      }
    }
    busy = false
  }

  function send (entry: Pending): void {
    set(entry, { status: 'sending', error: null })
    void flush()
  }

  return {
    send,
    flush,
    connected (): void {
      connections++
      void flush()
    },
    retry (key: string): void {
      const entry = pending.get(key)
      if (entry?.status === 'failed') send(entry)
    },
    discard (key: string): void {
      if (pending.get(key)?.status === 'failed') pending.delete(key)
      changed()
    }
  }
}
