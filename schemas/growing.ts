import { Type, type Static } from 'typebox'
import { MessageId, Nullable } from './common.js'
import { MessageText } from './messages.js'
import { Metadata } from './metadata.js'

/** A message that grows is finished when nothing was appended to it for this long, in milliseconds. */
export const GROWING_SILENCE_MS = 60_000
/** How often a second something may be appended to a message. */
export const APPENDS_PER_SECOND = 20

export const AppendBody = Type.Object({
  offset: Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Length of the text so far, in UTF-16 code units. If the text is there already, the call is a repetition and changes nothing'
  }),
  text: { ...MessageText, minLength: 1, description: 'What is appended' }
}, { examples: [{ offset: 0, text: 'Once upon' }] })
export type AppendBody = Static<typeof AppendBody>

export const AppendAnswer = Type.Object({
  messageId: MessageId,
  length: Type.Integer({ description: 'Length of the whole text now, in UTF-16 code units' })
})
export type AppendAnswer = Static<typeof AppendAnswer>

export const FinishBody = Type.Object({
  text: Type.Optional(Nullable({ ...MessageText, description: 'The whole text, in place of what was appended' })),
  metadata: Type.Optional(Nullable(Metadata))
})
export type FinishBody = Static<typeof FinishBody>
/** A call without a body changes no more. */
export const OptionalFinishBody = Type.Union([FinishBody, Type.Null()], {
  examples: [{}, { text: 'Once upon a time.', metadata: { tokens: 5 } }]
})

export const StopAnswer = Type.Object({ messageId: MessageId })
export type StopAnswer = Static<typeof StopAnswer>
