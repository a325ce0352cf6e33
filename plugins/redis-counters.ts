import type { RedisBus } from '../hub/buses/redis.js'
import type { Count } from '../store/counters.js'

/** Counts one more. A key's window starts with its first count. */
const ADD = `local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return { count, redis.call('PTTL', KEYS[1]) }`

/** Counts in the bus's Redis, for all nodes together. @throws if Redis is away */
export async function countInRedis ({ commands, prefix }: RedisBus, key: string, windowMs: number): Promise<Count> {
  if (commands === undefined) throw new Error('Redis is away')
  const [count, ttl] = await commands.eval(ADD, 1, `${prefix}calls:${key}`, windowMs) as [number, number]
  return { count, leftMs: ttl }
}
