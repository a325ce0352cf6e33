import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Messages, password hashes and secrets are readable by the server's user only. Windows ignores these modes. */
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/** Suffixes of the files of a SQLite database. SQLite creates them with the database's mode. */
const companions = ['', '-wal', '-shm', '-journal']

/** Creates the folder of a file, for this user only, unless it exists. */
export function makeFolderOf (path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: FOLDER_MODE })
}

/** Creates a database's file for this user only. If it exists, removes the permissions of other users. @throws as `fs` does */
export function makePrivateDatabase (path: string): void {
  closeSync(openSync(path, 'a', FILE_MODE))
  for (const companion of companions) tighten(path + companion)
}

/** Removes the permissions of other users from a file, if it exists and this user owns it. */
export function tighten (path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined || !stats.isFile() || stats.uid !== process.getuid?.() || (stats.mode & 0o077) === 0) return
  try {
    chmodSync(path, stats.mode & 0o700)
  } catch (error) {
    // Another process has closed the database, which deletes the log.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
