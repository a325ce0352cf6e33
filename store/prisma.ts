import type { PrismaClient } from '../prisma/generated/sqlite/client.js'
import type { TypeMap } from '../prisma/generated/sqlite/internal/prismaNamespace.js'

/** Password hashes are read only where they are selected by name. */
const omit = { user: { passwordHash: true } } as const

/** What both clients are made with. */
export const prismaOptions = { omit } as const

/**
 * Prisma's typed client. Both databases have the same models, and the type is the one generated for SQLite, which knows
 * nothing that PostgreSQL's does not. Statements that write: see `Database.write`.
 */
export type Prisma = PrismaClient<never, typeof omit>

const reading = ['findUnique', 'findUniqueOrThrow', 'findFirst', 'findFirstOrThrow', 'findMany', 'count', 'aggregate', 'groupBy'] as const

/** Prisma's typed client, as far as it reads: the models, and what reads them. */
export type PrismaReader = { readonly [Model in TypeMap['meta']['modelProps']]: Pick<Prisma[Model], typeof reading[number]> }

/** Runs each operation of the client through `run`, which may wait before it, repeat it, and translate its errors. */
export function through (client: Prisma, run: <T>(operation: () => Promise<T>) => Promise<T>): Prisma {
  return client.$extends({ query: { async $allOperations ({ args, query }) { return await run(async () => await query(args)) } } }) as unknown as Prisma
}

/** The same client without what writes. @throws when it is used to write */
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
