import type { FastifyInstance } from 'fastify'
import { RedisBus } from '../hub/buses/redis.js'
import type { Count } from '../store/counters.js'
import { LocalCounters } from './local-counters.js'
import { countInRedis } from './redis-counters.js'

/** Counts one more for a key, whose window starts with its first count. */
export type CountCall = (key: string, windowMs: number) => Promise<Count>

/** Maximum number of callers that a single process counts. */
export const CALLERS_MAX = 100_000

/** Returns the counter that all nodes share: in Redis, else in PostgreSQL. If there is one node, it counts by itself. */
export function sharedCount ({ chat, chatBus, chatDatabase }: FastifyInstance): CountCall {
  if (chatBus instanceof RedisBus) return async (key, windowMs) => await countInRedis(chatBus, key, windowMs)
  if (chatDatabase.provider === 'postgresql') return async (key, windowMs) => await chat.counters.add(`calls:${key}`, windowMs)
  const local = new LocalCounters(CALLERS_MAX)
  return async (key, windowMs) => local.add(key, windowMs)
}
