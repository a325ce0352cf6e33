import type { JSX } from 'preact'
import type { Attachment } from '../../client/index.js'
import { Download, useFileUrl } from './attachments.js'
import { Dialog } from './dialog.js'

/** A picture as large as the window allows. */
export function Lightbox ({ file, onClose }: { file: Attachment, onClose: () => void }): JSX.Element {
  const [url, renew] = useFileUrl(file.fileId)
  return (
    <Dialog title={file.name} onClose={onClose}>
      {url !== null && <img class='lightbox' src={url} alt={file.name} width={file.width!} height={file.height!} onError={renew} />}
      <Download file={file} />
    </Dialog>
  )
}
