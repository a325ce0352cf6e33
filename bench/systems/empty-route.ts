import { Caller, callAll } from '../load/caller.js'
import { cpuMicros } from '../measure/process.js'
import { Peer } from './peer.js'

const CONNECTIONS = 64
const BODY = { conversationId: 'direct_a_b', text: 'a message as people send them, of some sixty characters or so' }

/** Routes that check the token and the input, and do nothing: how fast the machine is just then. */
export class EmptyRoute {
  readonly #peer: Peer
  readonly #callers: Caller[]

  private constructor (peer: Peer) {
    this.#peer = peer
    this.#callers = Array.from({ length: CONNECTIONS }, () => new Caller(peer.port))
  }

  static async start (): Promise<EmptyRoute> {
    return new EmptyRoute(await Peer.start('empty-route'))
  }

  /** CPU of one of so many calls, in microseconds. */
  async cost (calls: number): Promise<number> {
    const cpu = cpuMicros(this.#peer.pid)
    let made = 0
    await callAll(this.#callers, () => made++ < calls ? { method: 'POST', path: '/empty', userId: `user-${made % 2000}`, body: BODY } : undefined)
    return (cpuMicros(this.#peer.pid) - cpu) / calls
  }

  /** The same with one call at a time. With `bytes`, of a GET with an answer of that size. */
  async costAlone (calls: number, bytes?: number): Promise<number> {
    const [caller] = this.#callers as [Caller]
    const cpu = cpuMicros(this.#peer.pid)
    let made = 0
    await callAll([caller], () => {
      if (made++ >= calls) return undefined
      const userId = 'user-1'
      return bytes === undefined ? { method: 'POST', path: '/empty', userId, body: BODY } : { method: 'GET', path: `/empty?bytes=${bytes}`, userId }
    })
    return (cpuMicros(this.#peer.pid) - cpu) / calls
  }

  async stop (): Promise<void> {
    for (const caller of this.#callers) caller.close()
    await this.#peer.stop()
  }
}
