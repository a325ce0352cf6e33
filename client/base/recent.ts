/** A map that keeps the `capacity` entries that were set last. It bounds what other users can make grow. */
export interface Recent<V> {
  get (key: string): V | undefined
  /** @returns whether the entry existed */
  delete (key: string): boolean
  set (key: string, value: V): void
  clear (): void
  entries (): IterableIterator<[string, V]>
}

export function createRecent<V> (capacity: number): Recent<V> {
  const map = new Map<string, V>()
  return {
    get: (key) => map.get(key),
    delete: (key) => map.delete(key),
    set (key, value) {
      map.delete(key)
      map.set(key, value)
      const [oldest] = map.keys()
      if (map.size > capacity && oldest !== undefined) map.delete(oldest)
    },
    clear: () => { map.clear() },
    entries: () => map.entries()
  }
}
