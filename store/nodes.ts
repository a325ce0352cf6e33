import type { Prisma } from './prisma.js'
import type { RowOf } from './table.js'
import type * as tables from './tables.js'

/** A running process. Its streams count until its lease lapses, by the clock of deadlines (`SharedClock.ticks`). */
export type NodeRow = RowOf<typeof tables.nodes>

/** The nodes of one host. */
export async function findNodesOn (prisma: Prisma, host: string): Promise<Array<Pick<NodeRow, 'id' | 'pid'>>> {
  return await prisma.node.findMany({ where: { host }, select: { id: true, pid: true } })
}

/** Adds the node, or sets the end of its lease. */
export async function putNode (prisma: Prisma, { id, host, pid, expiresAt }: NodeRow): Promise<void> {
  await prisma.node.upsert({ where: { id }, create: { id, host, pid, expiresAt }, update: { expiresAt } })
}

/** @returns false if the lease has lapsed */
export async function renewNode (prisma: Prisma, id: string, expiresAt: number, ticks: number): Promise<boolean> {
  const { count } = await prisma.node.updateMany({ where: { id, expiresAt: { gt: ticks } }, data: { expiresAt } })
  return count > 0
}

/** Ends the lease. */
export async function endNode (prisma: Prisma, id: string): Promise<void> {
  await prisma.node.updateMany({ where: { id }, data: { expiresAt: 0 } })
}

/** Deletes the node and its streams. */
export async function deleteNode (prisma: Prisma, id: string): Promise<void> {
  await prisma.node.deleteMany({ where: { id } })
}

/** Deletes the node if its lease has lapsed and it has no streams. */
export async function deleteEmptyNode (prisma: Prisma, id: string, ticks: number): Promise<void> {
  await prisma.node.deleteMany({ where: { id, expiresAt: { lte: ticks }, streams: { none: {} } } })
}
