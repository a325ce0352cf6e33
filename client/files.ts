import type { FileUrl, FileUrls, UploadedFile } from '../schemas/files.js'
import { baseUrlOf } from './base/base-url.js'
import { elapsedMs } from './base/clock.js'
import type { FormPart } from './base/platform.js'
import { createRecent } from './base/recent.js'
import type { CallOptions, Request, RequestOptions } from './base/request.js'

/** A `Blob` or `File`; in React Native also `{ uri, name, type }`. */
export type FileSource = FormPart

export interface UploadOptions extends CallOptions {
  /** Default: the file's own name. */
  name?: string | undefined
  /** Called with the part that has been sent, from 0 to 1. Without `XMLHttpRequest` (Node.js), only with 1, at the end. */
  onProgress?: ((sent: number) => void) | undefined
}

export interface FileCalls {
  /**
   * Uploads a file. It is kept for 24 hours; sending a message with it keeps it as long as the message.
   * @throws ChatError `FILE_TOO_LARGE`, `FILE_TYPE_NOT_ALLOWED`, `FILE_INVALID`, `TOO_MANY_FILES`, `FEATURE_OFF`
   */
  upload (file: FileSource, options?: UploadOptions): Promise<UploadedFile>
  /** Deletes an uploaded file that has not been sent. @throws ChatError `FILE_USED` */
  deleteFile (fileId: string, options?: CallOptions): Promise<void>
  /**
   * A URL that shows or downloads a file without a token, for at least a minute: ask again for a later use. Null if the user
   * may not see the file, or it has no thumbnail. Calls that are made together share a request.
   */
  fileUrl (fileId: string, options?: { thumbnail?: boolean }): Promise<string | null>
  /** The URLs of up to 100 files, as paths of the service. Files that the user may not see are left out. */
  fileUrls (fileIds: string[], options?: CallOptions): Promise<FileUrls>
}

/** URLs are valid for five minutes or more. */
const URL_MS = 240_000
const URLS_KEPT = 1000
const URLS_AT_ONCE = 100
const PATH = '/api/chat/files'

export function createFileCalls (options: RequestOptions, request: Request): FileCalls {
  const known = createRecent<{ url: Promise<FileUrl | undefined>, until: number }>(URLS_KEPT)
  /** The request that is made next. */
  let batch: { ids: string[], answer: Promise<FileUrls> } | undefined

  const fileUrls: FileCalls['fileUrls'] = (fileIds, call) =>
    request({ ...call, method: 'POST', path: `${PATH}/urls`, body: { fileIds }, idempotent: true })

  async function ask (ids: string[]): Promise<FileUrls> {
    await new Promise((resolve) => setTimeout(resolve))
    if (batch?.ids === ids) batch = undefined
    return await fileUrls(ids)
  }

  async function find (id: string): Promise<FileUrl | undefined> {
    if (batch === undefined || batch.ids.length === URLS_AT_ONCE) {
      const ids: string[] = []
      batch = { ids, answer: ask(ids) }
    }
    batch.ids.push(id)
    let found
    try {
      found = (await batch.answer).urls[id]
    } finally {
      if (found === undefined) known.delete(id) // It may be visible later
    }
    return found
  }

  function urlOf (id: string): Promise<FileUrl | undefined> {
    let entry = known.get(id)
    if (entry === undefined || elapsedMs() > entry.until) known.set(id, entry = { url: find(id), until: elapsedMs() + URL_MS })
    return entry.url
  }

  return {
    upload: (file, { name, onProgress, ...call } = {}) => request({
      ...call,
      method: 'POST',
      path: PATH,
      form: { file, name: name ?? file.name ?? 'file', onProgress }
    }),
    deleteFile: (id, call) => request({ ...call, method: 'DELETE', path: `${PATH}/${encodeURIComponent(id)}`, removes: true }),
    fileUrls,
    async fileUrl (id, { thumbnail = false } = {}) {
      const found = await urlOf(id)
      const url = thumbnail ? found?.thumbnailUrl : found?.url
      // The service may be behind a proxy that changes its prefix.
      return url == null ? null : baseUrlOf(options) + url.slice(url.lastIndexOf(PATH))
    }
  }
}
