import type { AnyEmission } from './emission.js'

/** The length of a message for a bus that does not say what it carries, in bytes. */
const MESSAGE_MAX_BYTES = 64 * 1024

/**
 * An event for the followers of several topics, as messages for all nodes: as few as the bus can carry, each with a part of
 * the topics. Somebody's online status has as many topics as they have conversations: thousands, perhaps.
 */
export function broadcastMessages ({ topics, ...event }: AnyEmission, key: string, maxBytes = MESSAGE_MAX_BYTES): string[] {
  const head = `${JSON.stringify({ ...event, key, broadcast: true }).slice(0, -1)},"topics":[`
  const tail = ']}'
  const room = maxBytes - Buffer.byteLength(head) - tail.length
  const messages: string[] = []
  let part: string[] = []
  let bytes = 0
  const finish = (): void => {
    messages.push(head + part.join(',') + tail)
    part = []
    bytes = 0
  }
  for (const topic of topics) {
    const text = JSON.stringify(topic)
    const length = Buffer.byteLength(text) + 1
    if (bytes + length > room && part.length > 0) finish()
    part.push(text)
    bytes += length
  }
  if (part.length > 0) finish()
  return messages
}
