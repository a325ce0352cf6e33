import { cpuMicros } from '../measure/process.js'
import { percentile, sleep, until } from '../measure/statistics.js'
import type { Broadcaster, OpenStream } from '../systems/system.js'
import { Caller, callAll, type Call } from './caller.js'
import { Canon, Follower, SparedFollower } from './canon.js'

const DRAIN_MS = 60_000
/** Makes an event of some 480 bytes of JSON, as a short chat message is. */
const FILLER = 'a message as people send them, of some sixty characters'

export interface Window {
  /** Events that streams received. */
  deliveries: number
  messages: number
  cpuMicros: number
  /** From the request's first byte to the event's last, in milliseconds; of all deliveries. */
  latencies: number[]
}

/** One room of a system with its streams and its senders; asserts that every stream gets everything once and in order. */
export class Room {
  readonly #system: Broadcaster
  readonly #canon: Canon
  readonly #followers: Array<Follower | SparedFollower> = []
  readonly #streams: OpenStream[] = []
  readonly #callers: Caller[]
  readonly #senders: number
  readonly #sentAt = new Map<string, number>()
  /** Ids of the messages that were answered. */
  readonly #answered: string[] = []
  #latencies: number[] | undefined
  #posted = 0
  /** Events that are due besides messages. */
  #others = 0

  constructor (system: Broadcaster, senders: number) {
    this.#system = system
    this.#canon = new Canon(system.ordered)
    this.#senders = senders
    this.#callers = Array.from({ length: senders }, () => new Caller(system.port))
  }

  /** Opens streams of so many members, some at a time. */
  async open (streams: number, members = streams): Promise<void> {
    await this.#system.prepare(members)
    let connected = 0
    for (let index = 0; index < streams; index++) {
      const member = index % members
      const follower = this.#system.sparesSenders && member < this.#senders
        ? new SparedFollower(this.#canon, this.#system.userId(member))
        : new Follower(this.#canon, event => {
          if (this.#latencies === undefined || event.mark === undefined) return
          const sentAt = this.#sentAt.get(event.mark)
          if (sentAt !== undefined) this.#latencies.push(performance.now() - sentAt)
        })
      this.#followers.push(follower)
      this.#streams.push(this.#system.open(member, follower, () => { connected++ }))
      if (index - connected > 200) await until(() => index - connected < 100, DRAIN_MS, 'opening')
    }
    await until(() => connected === streams, DRAIN_MS, 'opening all streams')
  }

  /** All senders post as fast as they are answered. */
  async burst (ms: number): Promise<Window> {
    const end = performance.now() + ms
    return await this.#window(async () => {
      let member = 0
      const next = (): Call | undefined => performance.now() < end ? this.#next(member++ % this.#senders) : undefined
      await callAll(this.#callers, next, (_, answer) => { this.#keep(answer.body) })
    }, false)
  }

  /** So many messages a second, from one sender after the other, whether or not they are answered in time. */
  async steady (perSecond: number, ms: number): Promise<Window> {
    return await this.#window(async () => {
      const start = performance.now()
      const calls: Array<Promise<void>> = []
      for (let index = 0; index < perSecond * ms / 1000; index++) {
        const wait = start + index * 1000 / perSecond - performance.now()
        if (wait > 1) await sleep(wait)
        calls.push(this.#postOn(index % this.#senders))
      }
      await Promise.all(calls)
    }, true)
  }

  /** So many others call, each for one event that all get; meanwhile a message is sent each twentieth of a second. */
  async crowd (callers: readonly Caller[], next: () => Call | undefined): Promise<Window> {
    return await this.#window(async () => {
      const state = { calling: true }
      const calls = callAll(callers, next, () => { this.#others++ }).finally(() => { state.calling = false })
      for (let member = 0; state.calling; member = (member + 1) % this.#senders) {
        await this.#postOn(member)
        await sleep(50)
      }
      await calls
    }, true)
  }

  /** Asserts what can be asserted at the end only. */
  async verify (): Promise<void> {
    await this.#system.verify?.(this.#answered)
  }

  /** The id of the newest message. */
  get newest (): string {
    return this.#answered.at(-1)!
  }

  close (): void {
    for (const stream of this.#streams) stream.close()
    for (const caller of this.#callers) caller.close()
  }

  async #window (work: () => Promise<void>, timed: boolean): Promise<Window> {
    const latencies: number[] = []
    if (timed) this.#latencies = latencies
    const [before, posted, cpu] = [this.#delivered(), this.#posted, cpuMicros(this.#system.pid)]
    await work()
    const isDone = (): boolean => this.#canon.events.length === this.#posted + this.#others && this.#followers.every(({ complete }) => complete)
    await until(isDone, DRAIN_MS, 'that every stream has everything')
    const used = cpuMicros(this.#system.pid) - cpu
    this.#latencies = undefined
    if (this.#streams.some(({ closed }) => closed)) throw new Error('void: a stream was closed')
    const marks = this.#canon.events.flatMap(({ mark }) => mark ?? [])
    if (marks.length !== this.#posted || new Set(marks).size !== this.#posted) throw new Error('void: a message is missing, or came twice')
    return { deliveries: this.#delivered() - before, messages: this.#posted - posted, cpuMicros: used, latencies }
  }

  #delivered (): number {
    return this.#followers.reduce((sum, { count }) => sum + count, 0)
  }

  #next (member: number): Call {
    const mark = `${this.#posted++}`
    this.#sentAt.set(mark, performance.now())
    return this.#system.post(member, `${mark} ${FILLER}`)
  }

  async #postOn (member: number): Promise<void> {
    const caller = this.#callers[member]!
    const { status, body } = await caller.call(this.#next(member))
    if (status >= 300) throw new Error(`void: a message was answered ${status}`)
    this.#keep(body)
  }

  #keep (body: string): void {
    const id = /"id":"([^"]+)"/.exec(body)?.[1]
    if (id !== undefined) this.#answered.push(id)
  }
}

export const perDelivery = ({ cpuMicros, deliveries }: Window): number => cpuMicros / deliveries
export const latency = ({ latencies }: Window, share: number): number => percentile(latencies, share)
