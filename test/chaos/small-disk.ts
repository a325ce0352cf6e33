import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system in memory that can be filled. Only root may mount it. */
export class SmallDisk {
  readonly folder = mkdtempSync(join(tmpdir(), 'chaos-disk-'))

  /** Mounts one. @throws Error when that is not possible */
  constructor (mebibytes: number) {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', this.folder], { stdio: 'ignore' })
    } catch {
      rmSync(this.folder, { recursive: true, force: true })
      throw new Error('a disk that can be filled can\'t be mounted: only root may (or run without full disks)')
    }
  }

  /** Fills the remaining space until the result is called. */
  fill (): () => void {
    const filler = join(this.folder, 'filler')
    const { bavail, bsize } = statfsSync(this.folder)
    writeFileSync(filler, Buffer.alloc(bavail * bsize))
    return () => { rmSync(filler, { force: true }) }
  }

  unmount (): void {
    execFileSync('umount', ['-l', this.folder], { stdio: 'ignore' })
    rmSync(this.folder, { recursive: true, force: true })
  }
}
