import type { AnyEmission } from './emission.js'

/** Length of a message on a bus that states no limit, in bytes. */
const MESSAGE_MAX_BYTES = 64 * 1024

/**
 * An event for the followers of several topics, as messages for all nodes: as few as fit the bus, each with some of the topics.
 * A user's online status has as many topics as the user has conversations, which may be thousands.
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
  if (part.length > 0 || messages.length === 0) finish()
  return messages
}
