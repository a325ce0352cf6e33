import { setTimeout as sleep } from 'node:timers/promises'
import { isChatError } from '../errors.js'
import { DatabaseError } from '../store/database.js'
import { elapsedMs } from '../time.js'

const PATIENCE_MS = 60_000
const RETRY_MS = 200

/**
 * Runs the work, and retries it for a minute while the database is unavailable. A start waits as the migration does, so that
 * nobody has to start the server again.
 * @throws {DatabaseError} when the minute is over
 */
export async function whenAvailable (work: () => Promise<void>): Promise<void> {
  for (const deadline = elapsedMs() + PATIENCE_MS; ;) {
    try {
      return await work()
    } catch (error) {
      if (!isChatError(error, 'UNAVAILABLE')) throw error
      if (elapsedMs() > deadline) throw new DatabaseError('The database is locked, full or away')
      await sleep(RETRY_MS)
    }
  }
}
