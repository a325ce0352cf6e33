import { Type, type Static } from 'typebox'
import { Nullable, Timestamp, WellFormed } from './common.js'

export const FileId = WellFormed({ minLength: 1, maxLength: 64, description: 'Id of an uploaded file' })

/** Maximum number of files of a message. */
export const ATTACHMENTS_MAX = 10
/** Maximum number of files in one request for URLs. */
const URLS_MAX = 100

/** A file of a message. It has no URL: those are made for each caller, and expire. */
export const Attachment = Type.Object({
  fileId: Type.String(),
  name: Type.String(),
  type: Type.String({ description: 'Media type, as the bytes say' }),
  size: Type.Integer({ description: 'In bytes, as it is downloaded' }),
  width: Nullable(Type.Integer({ description: 'Of an image that is turned upright, in pixels' })),
  height: Nullable(Type.Integer()),
  thumbhash: Nullable(Type.String({ description: 'A placeholder for the image, in base64' })),
  hasThumbnail: Type.Boolean()
})
export type Attachment = Static<typeof Attachment>

export const AttachmentInput = Type.Object({ fileId: FileId })

/** A file that was uploaded, and is kept until it is attached or expires. */
export const UploadedFile = Type.Object({ ...Attachment.properties, expiresAt: Timestamp })
export type UploadedFile = Static<typeof UploadedFile>

export const FileUrlsBody = Type.Object({ fileIds: Type.Array(FileId, { minItems: 1, maxItems: URLS_MAX }) }, {
  examples: [{ fileIds: ['file-1', 'file-2'] }]
})
export type FileUrlsBody = Static<typeof FileUrlsBody>

/** Where a file can be downloaded without a token, until it expires. */
export const FileUrl = Type.Object({
  url: Type.String({ description: 'A path of the service, its prefix included' }),
  thumbnailUrl: Nullable(Type.String()),
  expiresAt: Timestamp
})
export type FileUrl = Static<typeof FileUrl>

export const FileUrls = Type.Object({
  urls: Type.Record(Type.String(), FileUrl, { description: 'By file. Files that the caller may not see are left out' })
})
export type FileUrls = Static<typeof FileUrls>
