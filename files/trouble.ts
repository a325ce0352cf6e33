import { chatError } from '../errors.js'

/** Whether the operating system refused something: the disk is full, the folder is gone, a file server does not answer. */
const isOfSystem = (error: unknown): boolean =>
  error instanceof Error && 'syscall' in error && typeof (error as NodeJS.ErrnoException).errno === 'number'

/** Returns UNAVAILABLE if the disk is in trouble, which somebody can repair, otherwise the error itself. */
export function refusalOf (error: unknown): unknown {
  return isOfSystem(error) ? chatError('UNAVAILABLE', { cause: error, retryAfter: 2 }) : error
}

/** @throws UNAVAILABLE if the disk is in trouble */
export async function troubleToRefusal<T> (work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw refusalOf(error)
  }
}
