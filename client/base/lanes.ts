import { onAbort, reasonOf } from './abort.js'

/** A call that waits for its turn in a lane. */
export interface LaneCall<T> {
  run (): Promise<T>
  signal?: AbortSignal | undefined
  /** What the call is about. While it waits, a later call may replace it. */
  kind?: string
  /** The kind of waiting calls that this one replaces, except those with a higher `seq`. */
  overtakes?: string
  seq?: number
  /** What the call resolves to when it is replaced. Default: what the replacing call resolves to. */
  overtaken?: T
  /** How long the call may delay the calls behind it, in milliseconds. Default: until it is answered. */
  holdMs?: number
}

interface Waiting {
  kind: string | undefined
  seq: number
  holdMs: number | undefined
  start (): Promise<unknown>
  overtake (by: Promise<unknown>): void
}

/**
 * Makes calls in the order in which they were requested, one at a time in each lane. Over several connections, a later
 * call could arrive first. A call that has become obsolete while it waited is not sent.
 */
export function createLanes () {
  const lanes = new Map<string, { busy: boolean, waiting: Waiting[] }>()

  function next (name: string): void {
    const lane = lanes.get(name)
    if (lane === undefined || lane.busy) return
    const call = lane.waiting.shift()
    if (call === undefined) {
      lanes.delete(name)
      return
    }
    let released = false
    const release = () => {
      clearTimeout(timer)
      if (released) return
      released = true
      lane.busy = false
      next(name)
    }
    lane.busy = true
    const timer = call.holdMs === undefined ? undefined : setTimeout(release, call.holdMs)
    void call.start().then(release, release)
  }

  return function inLane<T> (name: string, { run, signal, kind, overtakes, seq = 0, overtaken, holdMs }: LaneCall<T>): Promise<T> {
    const lane = lanes.get(name) ?? { busy: false, waiting: [] }
    lanes.set(name, lane)
    const outdated = lane.waiting.filter((call) => overtakes !== undefined && call.kind === overtakes && call.seq <= seq)
    lane.waiting = lane.waiting.filter((call) => !outdated.includes(call))
    const answer = new Promise<T>((resolve, reject) => {
      const stop = onAbort(signal, () => {
        stop()
        lane.waiting = lane.waiting.filter((other) => other !== call)
        reject(signal && reasonOf(signal))
      })
      const call: Waiting = {
        kind,
        seq,
        holdMs,
        start () {
          stop()
          const answer = run()
          resolve(answer)
          return answer
        },
        overtake (by) {
          stop()
          resolve(overtaken ?? by as Promise<T>)
        }
      }
      lane.waiting.push(call)
    })
    for (const call of outdated) call.overtake(answer)
    next(name)
    return answer
  }
}
