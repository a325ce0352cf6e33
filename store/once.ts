/** Returns a function whose concurrent calls share one execution. */
export function inFlightOnce<T> (work: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<T> | undefined
  return async () => await (underWay ??= work().finally(() => { underWay = undefined }))
}
