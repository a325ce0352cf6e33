import type { Sink } from './sink.js'

/** An event of the canon: where it ends, and, of a message, whose it is and by which mark it is known. */
interface CanonEvent { end: number, sender: string | undefined, mark: string | undefined }

/** What stands in an event's data, as far as the benchmark looks at it. A message has all of it. */
interface Data { eventSeq: number, seq?: number, senderId?: string, text?: string }

/**
 * What a conversation's streams all have to show, to the byte. The first stream to bring an event extends the canon, and
 * there it is read and checked: `seq` and `eventSeq` without a hole and in order. Every other stream is compared with it
 * in memory, so that checking each of a million deliveries costs the load process next to nothing.
 */
export class Canon {
  bytes = Buffer.allocUnsafe(1 << 22)
  length = 0
  readonly events: CanonEvent[] = []
  /** Offset of the first event's end that is not in `events` yet. */
  #scanned = 0
  #lastSeq = 0
  #lastEventSeq: number | undefined
  readonly #ordered: boolean

  /** `ordered`: whether the system promises numbers in order (a plain relay doesn't). */
  constructor (ordered = true) {
    this.#ordered = ordered
  }

  extend (buffer: Buffer, from: number, to: number): void {
    const size = to - from
    if (this.length + size > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.length + size))
      this.bytes.copy(larger, 0, 0, this.length)
      this.bytes = larger
    }
    buffer.copy(this.bytes, this.length, from, to)
    this.length += size
    const filled = this.bytes.subarray(0, this.length)
    for (let end = filled.indexOf('\n\n', this.#scanned); end !== -1; end = filled.indexOf('\n\n', this.#scanned)) {
      this.#read(filled.toString('utf8', this.#scanned, end), end + 2)
      this.#scanned = end + 2
    }
  }

  #read (block: string, end: number): void {
    const line = block.split('\n').find(line => line.startsWith('data:'))
    if (line === undefined) throw new Error(`void: not an event: ${block}`)
    const { seq, eventSeq, senderId, text } = JSON.parse(line.slice(5)) as Data
    if (this.#ordered) {
      if (seq !== undefined && seq !== ++this.#lastSeq) throw new Error(`void: message ${seq} came, and ${this.#lastSeq} was next`)
      if (this.#lastEventSeq !== undefined && eventSeq !== this.#lastEventSeq + 1) throw new Error(`void: event ${eventSeq} came after ${this.#lastEventSeq}`)
    }
    this.#lastEventSeq = eventSeq
    this.events.push({ end, sender: senderId, mark: text?.split(' ', 1)[0] })
  }
}

/** A stream that shows all of the canon; `seen` is called for each event that it has shown whole. */
export class Follower implements Sink {
  #at = 0
  #events = 0
  readonly #canon: Canon
  readonly #seen: ((event: CanonEvent) => void) | undefined

  constructor (canon: Canon, seen?: (event: CanonEvent) => void) {
    this.#canon = canon
    this.#seen = seen
  }

  get complete (): boolean {
    return this.#at === this.#canon.length
  }

  take (buffer: Buffer, from: number, to: number): void {
    const canon = this.#canon
    const known = Math.min(to - from, canon.length - this.#at)
    if (known > 0 && canon.bytes.compare(buffer, from, from + known, this.#at, this.#at + known) !== 0) {
      throw new Error(`void: a stream differs from the others: ${buffer.toString('utf8', from, Math.min(to, from + 200))}`)
    }
    if (from + known < to) canon.extend(buffer, from + known, to)
    this.#at += to - from
    if (this.#seen === undefined) return
    for (let event = canon.events[this.#events]; event !== undefined && event.end <= this.#at; event = canon.events[++this.#events]) this.#seen(event)
  }

  get count (): number {
    return this.#canon.events.length
  }
}

/** A sender's stream: the canon without the sender's own messages. */
export class SparedFollower implements Sink {
  #at = 0
  #event = 0
  /** Events that it has shown. */
  #count = 0
  #waiting = Buffer.alloc(0)
  readonly #canon: Canon
  readonly #userId: string

  constructor (canon: Canon, userId: string) {
    this.#canon = canon
    this.#userId = userId
  }

  get complete (): boolean {
    this.#compare()
    this.#skipOwn()
    return this.#waiting.length === 0 && this.#at === this.#canon.length
  }

  get count (): number {
    return this.#count
  }

  take (buffer: Buffer, from: number, to: number): void {
    this.#waiting = Buffer.concat([this.#waiting, buffer.subarray(from, to)])
    this.#compare()
  }

  /** Compares event by event, as far as the canon goes; the rest waits. */
  #compare (): void {
    const { events, bytes } = this.#canon
    let from = 0
    for (;;) {
      this.#skipOwn()
      const event = events[this.#event]
      if (event === undefined) break
      const size = event.end - this.#at
      if (this.#waiting.length - from < size) break
      if (bytes.compare(this.#waiting, from, from + size, this.#at, event.end) !== 0) throw new Error(`void: ${this.#userId}'s stream differs from the others`)
      from += size
      this.#at = event.end
      this.#event++
      this.#count++
    }
    if (from > 0) this.#waiting = this.#waiting.subarray(from)
  }

  #skipOwn (): void {
    for (let event = this.#canon.events[this.#event]; event?.sender === this.#userId; event = this.#canon.events[++this.#event]) this.#at = event.end
  }
}
