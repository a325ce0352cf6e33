import { createRecent } from '../base/recent.js'
import type { ChatClient } from '../client.js'

/** The most conversations whose watermarks are kept. */
const CAPACITY = 1000

/** The user's receipts, in as few calls as possible: only the highest of each conversation, one call at a time. */
export interface Receipts {
  /** A message, and all messages before it, have reached this device. */
  delivered (message: { conversationId: string, id: string, seq: number }): void
  /** Everything up to `seq` has been read. */
  read (conversationId: string, seq: number): void
  /** The `seq` of a conversation starts again, or with null that of all conversations. */
  forget (conversationId: string | null): void
  /** Sends the receipts that could not be sent. */
  retry (): void
  close (): void
}

interface Marks {
  delivered: { id: string, seq: number }
  readSeq: number
  sentDelivered: number
  sentRead: number
  busy: boolean
}

export function createReceipts (client: ChatClient): Receipts {
  const conversations = createRecent<Marks>(CAPACITY)
  const abort = new AbortController()
  const { signal } = abort

  function marksOf (conversationId: string): Marks {
    let marks = conversations.get(conversationId)
    if (marks === undefined) {
      marks = { delivered: { id: '', seq: 0 }, readSeq: 0, sentDelivered: 0, sentRead: 0, busy: false }
    }
    conversations.set(conversationId, marks)
    return marks
  }

  async function send (conversationId: string): Promise<void> {
    const marks = marksOf(conversationId)
    if (marks.busy) return
    marks.busy = true
    try {
      // All events of one chunk of the stream are dispatched together: wait for the last message among them.
      await Promise.resolve()
      while (!signal.aborted) {
        const { readSeq, delivered } = marks
        if (readSeq > marks.sentRead) {
          await client.markRead(conversationId, readSeq, { signal })
          marks.sentRead = readSeq
        } else if (delivered.seq > Math.max(marks.sentDelivered, marks.sentRead)) {
          await client.setMessageStatus(delivered.id, 'delivered', { signal, conversationId })
          marks.sentDelivered = delivered.seq
        } else break
      }
    } catch {
      // The next receipt, or the next connection, includes this one.
    } finally {
      marks.busy = false
    }
  }

  return {
    delivered ({ conversationId, id, seq }) {
      const marks = marksOf(conversationId)
      if (seq <= marks.delivered.seq) return
      marks.delivered = { id, seq }
      void send(conversationId)
    },
    read (conversationId, seq) {
      const marks = marksOf(conversationId)
      if (seq <= marks.readSeq) return
      marks.readSeq = seq
      void send(conversationId)
    },
    forget (conversationId) {
      if (conversationId === null) conversations.clear()
      else conversations.delete(conversationId)
    },
    retry () { for (const [conversationId] of [...conversations.entries()]) void send(conversationId) },
    close () { abort.abort() }
  }
}
