/** A clock of the client that the test moves forward: everything measured before has lasted that much longer. */
export function setElapsedForward (t: { teardown (callback: () => unknown): void }): (ms: number) => void {
  const { performance } = globalThis
  const now = performance.now.bind(performance)
  let ahead = 0
  performance.now = () => now() + ahead
  t.teardown(() => { Reflect.deleteProperty(performance, 'now') })
  return (ms) => { ahead += ms }
}

/** Sets the wall clock, as a person or the network may do at any moment. */
export function setWallClock (t: { teardown (callback: () => unknown): void }): (ms: number) => void {
  const { now } = Date
  let ahead = 0
  Date.now = () => now() + ahead
  t.teardown(() => { Date.now = now })
  return (ms) => { ahead += ms }
}
