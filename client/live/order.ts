/**
 * The order of a list by latest activity: first as the server returned it, then in the order of the events. Timestamps
 * decide nothing, because clocks differ and can be set.
 */
export function createOrder () {
  const places = new Map<string, number>()
  let top = 0
  let bottom = 0
  return {
    first (id: string): void { places.set(id, ++top) },
    /** Adds a page of the list, latest first: before all others, or with `after` behind them. */
    page (ids: readonly string[], after: boolean): void {
      for (const id of after ? ids : [...ids].reverse()) if (!after || !places.has(id)) places.set(id, after ? --bottom : ++top)
    },
    sort: <T extends { id: string }> (all: Iterable<T>): T[] => [...all].sort((a, b) => (places.get(b.id) ?? 0) - (places.get(a.id) ?? 0)),
    has: (id: string) => places.has(id),
    delete (id: string): void { places.delete(id) },
    clear (): void { places.clear() }
  }
}
