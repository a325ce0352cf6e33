/** Calls that come while one is under way share that one. */
export function inFlightOnce<T> (work: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<T> | undefined
  return async () => await (underWay ??= work().finally(() => { underWay = undefined }))
}
