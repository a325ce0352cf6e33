import { chatError } from '../errors.js'
import type { Attachment } from '../schemas/files.js'
import type { FileRow } from '../store/file-rows.js'
import type { Keys } from '../store/keys.js'
import { readAttachments } from '../store/rendering.js'
import * as tables from '../store/tables.js'
import type { MessageRow, Unit } from '../store/unit.js'

/** The files of messages. Each is attached once, by who uploaded it. */

export function needFiles (keys: Keys, userId: string, fileIds: readonly string[]): void {
  for (const id of fileIds) keys.lockedRows(tables.files, { id, ownerId: userId })
}

/** A file as a message shows it. */
export const attachmentOf = ({ id, name, type, size, width, height, thumbhash }: FileRow): Attachment =>
  ({ fileId: id, name, type, size, width, height, thumbhash, hasThumbnail: thumbhash !== null })

/** @throws UNKNOWN_FILE if one does not exist, is another user's, or has expired; FILE_USED if one is attached */
export function freeFiles (unit: Unit, userId: string, fileIds: readonly string[], takesFiles: boolean): Attachment[] {
  const files = fileIds.map(id => unit.rows(tables.files, { id, ownerId: userId })[0])
  const isKnown = (file: FileRow | undefined): file is FileRow => takesFiles && file !== undefined &&
    (file.state === 'attached' || (file.state === 'free' && file.expiresAt !== null && file.expiresAt > unit.ticks))
  if (!files.every(isKnown)) throw chatError('UNKNOWN_FILE')
  if (files.some(({ state }) => state === 'attached')) throw chatError('FILE_USED')
  return files.map(attachmentOf)
}

/** Attaches free files to a new message. */
export function attach (unit: Unit, { conversation, seq: messageSeq, senderId }: MessageRow, files: readonly Attachment[]): void {
  for (const [position, { fileId }] of files.entries()) {
    unit.insertRow(tables.attachments, { conversation, messageSeq, position, fileId })
    for (const row of unit.rows(tables.files, { id: fileId, ownerId: senderId })) {
      unit.changeRow(tables.files, row, { state: 'attached', expiresAt: null })
    }
  }
}

/** Gives up the files of a message that is deleted, unless others have them. */
export function releaseFilesOf (unit: Unit, { attachments }: MessageRow): void {
  if (attachments !== null) unit.releaseFiles(readAttachments(attachments).map(({ fileId }) => fileId))
}
