import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Messages, password hashes and secrets are for the server's own user. Windows has no such modes, and ignores them. */
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/** What SQLite keeps beside a database; it gives new ones the database's mode. */
const companions = ['', '-wal', '-shm', '-journal']

/** Makes the folder of a file, for this user only, unless it is there already. */
export function makeFolderOf (path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: FOLDER_MODE })
}

/** Makes a database's file for this user only, and takes others' rights away from one that is there. @throws as `fs` does */
export function makePrivateDatabase (path: string): void {
  closeSync(openSync(path, 'a', FILE_MODE))
  for (const companion of companions) tighten(path + companion)
}

/** Takes others' rights away from a file, if there is one and it is ours; it isn't ours to change otherwise. */
export function tighten (path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined || !stats.isFile() || stats.uid !== process.getuid?.() || (stats.mode & 0o077) === 0) return
  try {
    chmodSync(path, stats.mode & 0o700)
  } catch (error) {
    // another process has closed the database, and with it the log
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
