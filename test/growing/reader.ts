import { callOnce } from '../chaos/api.js'
import { mint } from '../chaos/token.js'
import { connect, type EventReader } from '../event-reader.js'

/** Follows the growth of messages by the rule of docs/growing-messages.md, over as many streams as it takes. */
export class Reader {
  readonly texts = new Map<string, string>()
  readonly finished = new Map<string, string>()
  readonly problems: string[] = []
  readonly #userId: string
  readonly #query: Record<string, string>
  /** A node that answers. */
  readonly #port: () => number
  #stream: EventReader | undefined
  #isOver = true
  #lastEventId: string | undefined
  #folded = 0

  constructor (userId: string, conversationId: string | undefined, port: () => number) {
    this.#userId = userId
    this.#query = conversationId === undefined ? {} : { conversationId }
    this.#port = port
  }

  /** Opens a stream if there is none, and resumes. */
  async open (): Promise<void> {
    if (!this.#isOver) return
    const query = new URLSearchParams({ ...this.#query, ...(this.#lastEventId === undefined ? {} : { lastEventId: this.#lastEventId }) })
    // A node that was killed is not back yet.
    const stream = await connect(`http://127.0.0.1:${this.#port()}/api/sse?${query.toString()}`, { authorization: `Bearer ${mint(this.#userId)}` }).catch(() => undefined)
    if (stream === undefined) return
    this.#stream = stream
    this.#folded = 0
    this.#isOver = false
    void stream.ended.then(() => { if (this.#stream === stream) this.#isOver = true })
  }

  async cut (): Promise<void> {
    await this.fold()
    await this.#stream?.close()
    await this.fold()
  }

  pause (): void { this.#stream?.pause() }
  resume (): void { this.#stream?.resume() }

  /** Applies what has arrived. */
  async fold (): Promise<void> {
    const { events = [] } = this.#stream ?? {}
    while (this.#folded < events.length) {
      const { type, id, data } = events[this.#folded++]!
      const text = String(data.text)
      if (type === 'message' && data.growing === true && !this.texts.has(String(data.id))) this.texts.set(String(data.id), text)
      if (type === 'messageUpdated') {
        this.finished.set(String(data.id), text)
        this.texts.delete(String(data.id))
      }
      if (type === 'messageAppended' && !this.finished.has(String(data.messageId))) await this.#append(String(data.messageId), Number(data.offset), text)
      if (id !== undefined) this.#lastEventId = id
    }
  }

  async #append (id: string, offset: number, text: string): Promise<void> {
    const known = this.texts.get(id) ?? ''
    if (offset > known.length) {
      const fetched = await this.#fetch(id)
      if (!fetched.startsWith(known)) this.problems.push(`${id}: ${JSON.stringify(known)} is no beginning of ${JSON.stringify(fetched)}`)
      this.texts.set(id, fetched)
      return
    }
    const overlap = known.slice(offset, offset + text.length)
    if (!text.startsWith(overlap)) this.problems.push(`${id} at ${offset}: ${JSON.stringify(text)} is not what is known, ${JSON.stringify(overlap)}`)
    if (offset + text.length > known.length) this.texts.set(id, known + text.slice(known.length - offset))
  }

  async #fetch (id: string): Promise<string> {
    for (;;) {
      const answer = await callOnce(this.#port(), 'GET', `/api/chat/messages/${id}`, { token: mint(this.#userId) }).catch(() => undefined)
      if (answer?.status === 200) return String(answer.body.text)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
}
