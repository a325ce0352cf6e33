import { sleep, until } from '../measure/statistics.js'
import type { Product } from '../systems/product.js'
import type { OpenStream } from '../systems/system.js'
import { Caller } from './caller.js'
import { Reader, type ReadEvent } from './reader.js'

/** A group holds a thousand: these, and the one who writes. */
const GROUP = 999
const OPEN_MS = 120_000
/** When a server that is busy says to come back, in milliseconds. */
const RETRY_MS = { min: 500, max: 5000 }

/** A member of one of the groups, and how far their stream is. */
interface Member { userId: string, group: number, stream: OpenStream | undefined, lastEventId: string | undefined, eventSeq: number | undefined }

/** Many users in large groups, each with one stream that is read and checked. */
export class Crowd {
  readonly members: Member[]
  readonly #product: Product
  readonly #groups: string[] = []
  readonly #sent: number[] = []

  constructor (product: Product, streams: number) {
    this.#product = product
    this.members = Array.from({ length: streams }, (_, index) =>
      ({ userId: `member-${index}`, group: Math.floor(index / GROUP), stream: undefined, lastEventId: undefined, eventSeq: undefined }))
  }

  async prepare (): Promise<void> {
    await this.#product.makeUsers(this.members.map(({ userId }) => userId))
    for (let from = 0; from < this.members.length; from += GROUP) {
      const writer = `writer-${this.#groups.length}`
      await this.#product.makeUsers([writer])
      this.#groups.push(await this.#product.makeGroup([writer, ...this.members.slice(from, from + GROUP).map(({ userId }) => userId)]))
      this.#sent.push(1)
    }
  }

  /** As if no stream had ever been open. */
  forget (): void {
    for (const member of this.members) member.lastEventId = member.eventSeq = member.stream = undefined
  }

  /**
   * Opens the streams of these members, so many at a time; with their last ids when they have been open before. Who is told
   * to come back later, or was not let in by the kernel, does.
   */
  async open (members: readonly Member[], atOnce: number): Promise<number> {
    const waiting = new Map<Member, { backAt: number | undefined }>()
    let turnedAway = 0
    const start = (member: Member): void => {
      waiting.set(member, { backAt: undefined })
      const resume = member.lastEventId === undefined ? {} : { 'Last-Event-ID': member.lastEventId }
      member.stream = this.#product.open(member.userId, this.#groups[member.group], new Reader(event => { this.#read(member, event) }), text => {
        member.lastEventId = /^id: (.*)$/m.exec(text)![1]!
        member.eventSeq ??= Number(member.lastEventId.split('.').at(-1))
        waiting.delete(member)
      }, resume)
    }
    const comeBack = (): void => {
      for (const [member, state] of waiting) {
        if (member.stream?.closed !== true) continue
        if (state.backAt === undefined) {
          state.backAt = performance.now() + RETRY_MS.min + Math.random() * (RETRY_MS.max - RETRY_MS.min)
          turnedAway++
        } else if (performance.now() >= state.backAt) {
          start(member)
        }
      }
    }
    const opened = async (isSo: () => boolean): Promise<void> => { await until(() => { comeBack(); return isSo() }, OPEN_MS, 'opening all streams') }
    for (const member of members) {
      if (waiting.size >= atOnce) await opened(() => waiting.size < atOnce)
      start(member)
    }
    await opened(() => waiting.size === 0)
    return turnedAway
  }

  close (members: readonly Member[] = this.members): void {
    for (const member of members) member.stream?.close()
  }

  /** Writes to all groups in turn until `done` resolves. */
  async writeUntil (done: Promise<unknown>, everyMs: number): Promise<number> {
    const state = { writing: true }
    void done.finally(() => { state.writing = false }).catch(() => {})
    const caller = new Caller(this.#product.port)
    let sent = 0
    for (; state.writing; sent++) {
      const group = sent % this.#groups.length
      await caller.call({ method: 'POST', path: '/api/chat/messages', userId: `writer-${group}`, body: { conversationId: this.#groups[group], text: 'hello' } })
      this.#sent[group]!++
      await sleep(everyMs)
    }
    caller.close()
    await done
    return sent
  }

  /** Waits until every stream has every event of its group. */
  async complete (): Promise<void> {
    await until(() => this.members.every(member => member.stream === undefined || this.#isComplete(member)), OPEN_MS, 'that all streams are complete')
  }

  #isComplete ({ group, eventSeq }: Member): boolean {
    return eventSeq === this.#sent[group]
  }

  #read (member: Member, { id, data }: ReadEvent): void {
    if (data.eventSeq === undefined) return
    if (data.conversationId !== this.#groups[member.group]) throw new Error(`void: ${member.userId} got an event of others`)
    if (data.eventSeq !== ++member.eventSeq!) throw new Error(`void: event ${String(data.eventSeq)} came to ${member.userId}, and ${member.eventSeq} was next`)
    member.lastEventId = id
  }
}
