import type { FilesOptions } from '../chat/files.js'
import { loadDecoder } from '../files/decoder.js'
import { Thumbnails } from '../files/images.js'
import { LocalStorage } from '../files/local-storage.js'

/** Where files are kept. */
export interface FilesPlace {
  /** The folder. It is created if it does not exist. All nodes need the same one. */
  dir: string
  /** Whether images are decoded, to check them and to make thumbnails. Needs the package sharp. Default: true if it can be loaded. */
  thumbnails?: boolean
}

/** @throws {StorageError} if the folder cannot be written */
export async function openFiles ({ dir, thumbnails = true }: FilesPlace): Promise<Pick<FilesOptions, 'storage' | 'thumbnails'>> {
  return { storage: await LocalStorage.open(dir), thumbnails: thumbnails ? new Thumbnails(loadDecoder) : undefined }
}
