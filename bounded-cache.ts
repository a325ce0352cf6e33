import { LRUCache } from 'lru-cache'

/**
 * Keeps at most `max` values, those that were used last. Unlike `new LRUCache({ max })` it takes no memory for values that it does not have
 * yet: with the maxima of this project, that was a third of the time in which a chat is registered.
 */
export class BoundedCache<Value extends {}> extends LRUCache<string, Value> {
  constructor (max: number, options: { ttl?: number } = {}) {
    super({ ...options, maxSize: max, sizeCalculation: () => 1 })
  }
}
