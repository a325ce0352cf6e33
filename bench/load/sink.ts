/** Takes what a stream brings: `buffer` from `from` to `to`, good until the call returns. */
export interface Sink {
  take(buffer: Buffer, from: number, to: number): void
}
