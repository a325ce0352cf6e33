import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Attachment, ChatClient, ChatMessage, PendingUpload } from '../../client/index.js'
import { useChat, useWords } from './context.js'
import { FileIcon } from './icons.js'
import type { Words } from './words.js'

/** The longest side of a picture in a message, in pixels. */
const SIDE = 320
/** How often an address that does not load is asked for again: those of files expire. */
const RENEWALS = 3

export const isPicture = ({ type, width, height }: Attachment) => type.startsWith('image/') && width !== null && height !== null

/** A message in one line: its text, or what it carries. */
export function summaryOf ({ text, attachments: [first] }: Pick<ChatMessage, 'text' | 'attachments'>, words: Words): string {
  if (text !== '' || first === undefined) return text
  return isPicture(first) ? words.photo : first.name
}

/** The address of a file, null until it is known, and a function that asks for it again. */
export function useFileUrl (fileId: string, thumbnail = false): [string | null, () => void] {
  const { client } = useChat()
  const [url, setUrl] = useState<string | null>(null)
  const [tries, setTries] = useState(0)
  useEffect(() => {
    let current = true
    client.fileUrl(fileId, { thumbnail }).then((found) => { if (current) setUrl(found) }, () => {})
    return () => { current = false }
  }, [client, fileId, thumbnail, tries])
  return [url, () => { setTries((count) => Math.min(count + 1, RENEWALS)) }]
}

/** The files of a message. Those of an unsent one show how much of them has been sent. */
export function Attachments ({ message, onShow }: { message: ChatMessage, onShow: (file: Attachment) => void }): JSX.Element {
  return (
    <div class='files'>
      {message.attachments.map((file) => isPicture(file)
        ? <Picture key={file.fileId} file={file} onClick={() => { onShow(file) }} />
        : /^(?:video|audio)\//.test(file.type)
          ? <Player key={file.fileId} file={file} />
          : <Download key={file.fileId} file={file} />)}
      {message.uploads.map((upload, index) => <Upload key={index} upload={upload} failed={message.status === 'failed'} />)}
    </div>
  )
}

/** A picture. Its place has the right size before it is loaded, so that nothing moves. */
function Picture ({ file, onClick }: { file: Attachment, onClick: () => void }): JSX.Element {
  const words = useWords()
  const { fileId, name, width, height, hasThumbnail, type } = file
  const [url, renew] = useFileUrl(fileId, hasThumbnail && type !== 'image/gif') // A thumbnail does not move
  const scale = Math.min(1, SIDE / width!, SIDE / height!)
  return (
    <button
      type='button' tabIndex={-1} class='picture' aria-label={words.showPicture(name)} onClick={onClick}
      style={{ width: `${Math.round(width! * scale)}px`, aspectRatio: `${width} / ${height}` }}
    >
      {url !== null && <img src={url} alt='' onError={renew} />}
    </button>
  )
}

function Player ({ file: { fileId, name, type } }: { file: Attachment }): JSX.Element {
  const [url, renew] = useFileUrl(fileId)
  if (type.startsWith('audio/')) return <audio controls preload='metadata' src={url ?? undefined} aria-label={name} onError={renew} />
  return <video controls preload='metadata' src={url ?? undefined} aria-label={name} onError={renew} />
}

/** Saves a file on the device. @throws if it is not there, or not for the user */
export async function download (client: ChatClient, { fileId, name }: Attachment): Promise<void> {
  const url = await client.fileUrl(fileId)
  if (url === null) throw new Error('The file is not there')
  Object.assign(document.createElement('a'), { href: url, download: name }).click()
}

export function Download ({ file }: { file: Attachment }): JSX.Element {
  const { client } = useChat()
  const words = useWords()
  const [failed, setFailed] = useState(false)
  const { name, size } = file
  return (
    <button
      type='button' tabIndex={-1} class='file' title={words.download(name)}
      onClick={() => { download(client, file).then(() => { setFailed(false) }, () => { setFailed(true) }) }}
    >
      <FileIcon /><bdi>{name}</bdi><small dir='auto'>{failed ? words.NOT_FOUND : words.bytes(size)}</small>
    </button>
  )
}

function Upload ({ upload: { name, progress, file }, failed }: { upload: PendingUpload, failed: boolean }): JSX.Element {
  return (
    <span class='file'>
      <FileIcon /><bdi>{name}</bdi>
      {!failed && <progress value={file === null ? progress : 1} max={1} aria-label={name} />}
    </span>
  )
}
