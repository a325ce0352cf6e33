import type { MentionInput } from '../../schemas/messages.js'
import type { CustomTypes, SendMessageBody } from '../custom.js'
import type { FileSource } from '../files.js'

/** What a message carries besides its text. */
export interface SendOptions<T extends CustomTypes = CustomTypes> {
  /** Default: `text`. */
  type?: string
  metadata?: SendMessageBody<T>['metadata']
  /** The id of the message to reply to. If it is loaded, the quote is shown at once. */
  replyTo?: string | null
  /** Who is mentioned; see `mentionsOf`. */
  mentions?: readonly MentionInput[]
  mentionsAll?: boolean
  /** Files to upload, which then go with the message. */
  files?: readonly FileSource[]
}

/** What the user has written. Without a text, there are files. */
export interface Draft<T extends CustomTypes = CustomTypes> extends SendOptions<T> {
  text?: string
}
