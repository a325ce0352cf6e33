import type { PrismaClient } from '../prisma/generated/sqlite/client.js'
import type { TypeMap } from '../prisma/generated/sqlite/internal/prismaNamespace.js'

/** Password hashes and secrets are read only if they are selected by name. */
const omit = { user: { passwordHash: true }, meta: { fileKey: true }, webhook: { secret: true, previousSecret: true } } as const

/** Options of both clients. */
export const prismaOptions = { omit } as const

/**
 * Prisma's typed client. The type is the one generated for SQLite: both databases have the same models, and whatever it offers
 * exists on PostgreSQL, too. For statements that write, see `Database.write`.
 */
export type Prisma = PrismaClient<never, typeof omit>

const reading = ['findUnique', 'findUniqueOrThrow', 'findFirst', 'findFirstOrThrow', 'findMany', 'count', 'aggregate', 'groupBy'] as const

/** Prisma's typed client, reduced to the models and the operations that read them. */
export type PrismaReader = { readonly [Model in TypeMap['meta']['modelProps']]: Pick<Prisma[Model], typeof reading[number]> }

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
  const operations: readonly string[] = reading
  return client.$extends({
    query: {
      async $allOperations ({ operation, args, query }) {
        if (!operations.includes(operation)) throw new TypeError(`app.chatDatabase.prisma only reads: ${operation} is refused. Use app.chat to write.`)
        return await query(args)
      }
    }
  }) as unknown as PrismaReader
}
