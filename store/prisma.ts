import type { PrismaClient } from '../prisma/generated/sqlite/client.js'
import type { Omitted, PrismaReader } from './reader.js'

const omit: Omitted = { user: { passwordHash: true }, meta: { fileKey: true }, webhook: { secret: true, previousSecret: true } }

/** Options of both clients. */
export const prismaOptions = { omit } as const

/**
 * Prisma's typed client. The type is the one generated for SQLite: both databases have the same models, and whatever it offers
 * exists on PostgreSQL, too. For statements that write, see `Database.write`.
 */
export type Prisma = PrismaClient<never, Omitted>

const reading: readonly string[] = [
  'findUnique', 'findUniqueOrThrow', 'findFirst', 'findFirstOrThrow', 'findMany', 'count', 'aggregate', 'groupBy'
] satisfies Array<keyof PrismaReader['user']>

/** Runs each operation of the client through `run`, which may delay it, repeat it, and translate its errors. */
export function through (client: Prisma, run: <T>(operation: () => Promise<T>) => Promise<T>): Prisma {
  return client.$extends({
    query: {
      async $allOperations ({ args, query }) {
        return await run(async () => await query(args))
      }
    }
  }) as unknown as Prisma
}

/** Returns the client without operations that write. At run time, they throw a TypeError. */
export function readerOf (client: Prisma): PrismaReader {
  return client.$extends({
    query: {
      async $allOperations ({ operation, args, query }) {
        if (!reading.includes(operation)) throw new TypeError(`app.chatDatabase.prisma only reads: ${operation} is refused. Use app.chat to write.`)
        return await query(args)
      }
    }
  }) as unknown as PrismaReader
}
