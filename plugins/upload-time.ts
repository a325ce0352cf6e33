import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { elapsedMs } from '../time.js'

/** How long an upload may pause, in milliseconds. */
export const UPLOAD_PAUSE_MS = 60_000
/** Uploads may be this slow, in bytes a second, and no slower on the whole. */
export const UPLOAD_BYTES_PER_S = 16_384

/** Time limits of an upload, in milliseconds. */
export interface UploadTimes {
  pauseMs: number
  totalMs: number
}

/** The limits of an upload that may have so many bytes. */
export const timesOf = (maxBytes: number): UploadTimes =>
  ({ pauseMs: UPLOAD_PAUSE_MS, totalMs: UPLOAD_PAUSE_MS + Math.ceil(maxBytes / UPLOAD_BYTES_PER_S) * 1000 })

const uploading = new WeakSet<Socket>()

/** Whether an upload comes in on this connection, which is given more time than other requests. */
export const isUploading = (socket: Socket): boolean => uploading.has(socket)

/** Calls `late` once the body of the request has paused for too long, or has taken too long on the whole. Returns a function that ends this. */
export function limitTime (request: IncomingMessage, { pauseMs, totalMs }: UploadTimes, late: () => void): () => void {
  const { socket } = request
  const startedAt = elapsedMs()
  let heardAt = startedAt
  let timer: NodeJS.Timeout
  const leftMs = (): number => Math.min(heardAt + pauseMs, startedAt + totalMs) - elapsedMs()
  const watch = (): void => {
    timer = setTimeout(() => {
      if (leftMs() > 0) return watch()
      stop()
      late()
    }, Math.ceil(leftMs())).unref()
  }
  const heard = (): void => { heardAt = elapsedMs() }
  const stop = (): void => {
    clearTimeout(timer)
    request.off('data', heard).off('end', stop).off('close', stop)
    uploading.delete(socket)
  }
  uploading.add(socket)
  request.on('data', heard).once('end', stop).once('close', stop)
  watch()
  return stop
}
