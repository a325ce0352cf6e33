import { chatError, isChatError } from '../errors.js'
import { FinishBody } from '../schemas/growing.js'
import type { Message } from '../schemas/messages.js'
import type { Queries } from '../store/queries.js'
import type { Writer } from '../store/writer.js'
import type { Actor } from './actor.js'
import { buryGrowing, finishMessage, interrupt, interruptedMetadata, type Ending } from './growing.js'
import { nonsense, type Gate } from './hooks/before.js'
import { metadataText } from './metadata.js'
import { assertTextFits } from './validation.js'

/** How often the host is asked about a text that grows while it is asked. */
const ASKED_MAX = 5

export interface FinishingOptions {
  gate: Gate
  queries: Queries
  writer: Writer
  /** Maximum length of a message's text, in code points. */
  maxTextLength: number
}

/**
 * Ends messages that grow, as the host lets them end: of their text it is asked here, when all of it is known. What it refuses becomes a
 * tombstone.
 */
export class Finishing {
  readonly #options: FinishingOptions

  constructor (options: FinishingOptions) {
    this.#options = options
  }

  /** @throws REFUSED, what the hook is the cause of, and what `finishMessage` throws */
  async finish (actor: Actor, messageId: string, body: FinishBody): Promise<Message> {
    const { gate, queries, writer } = this.#options
    const ending = this.#endingOf(body)
    const end = async (): Promise<Message | undefined> => await gate.writeUnasked(finishMessage(messageId, actor, ending))
    if (!gate.asks) return (await end())!
    for (let times = 0; times < ASKED_MAX; times++) {
      const now = await queries.message(messageId, actor.userId)
      // A repetition, or nothing that could be finished
      if (now?.growing !== true) return (await end())!
      const asked = { ...body, text: body.text ?? now.text }
      try {
        const finished = await gate.act<Message | undefined, FinishBody>({
          action: 'message.edit',
          acting: actor,
          conversationId: () => now.conversationId,
          ids: { messageId },
          body: asked,
          schema: FinishBody,
          command: changed => finishMessage(messageId, actor, this.#endingOf(changed), body.text == null ? now.text : undefined)
        })
        if (finished !== undefined) return finished
      } catch (error) {
        if (isChatError(error, 'REFUSED')) await writer.write(buryGrowing(messageId, actor.userId))
        throw error
      }
    }
    throw chatError('STILL_GROWING')
  }

  /** Ends the messages that have been silent for too long, wherever they were appended to. */
  async endSilent (ticks: number): Promise<void> {
    const silent = await this.#options.queries.silentMessages(ticks)
    await Promise.all(silent.map(async ({ messageId, participantId }) => {
      await this.#interrupt(messageId, participantId).catch((error: unknown) => {
        // Who takes part has changed meanwhile: the next round finds it again.
        if (!isChatError(error, 'NOT_FOUND')) throw error
      })
    }))
  }

  async #interrupt (messageId: string, participantId: string): Promise<void> {
    const { gate, queries, writer } = this.#options
    const now = gate.asks ? await queries.message(messageId, participantId) : undefined
    // Without any text nothing was said: there is nothing to ask.
    const isAsked = now !== undefined && (now.text !== '' || now.attachments.length > 0)
    try {
      const changed = isAsked ? await this.#asked(now, participantId) : undefined
      await writer.write(interrupt(messageId, participantId, changed))
    } catch (error) {
      if (!isChatError(error, 'REFUSED')) throw error
      await writer.write(buryGrowing(messageId, participantId))
    }
  }

  /** Asks in the place of the sender, who may have left the conversation. @returns what the host has changed */
  async #asked ({ id, conversationId, senderId, text, metadata }: Message, participantId: string): Promise<Ending | undefined> {
    const changed = await this.#options.gate.ask<FinishBody>({
      action: 'message.edit',
      acting: { userId: senderId, via: 'process' },
      conversationId: () => conversationId,
      seenBy: participantId,
      ids: { messageId: id },
      body: { text, metadata: JSON.parse(interruptedMetadata(metadata)) as Record<string, unknown> },
      schema: FinishBody
    })
    try {
      return changed && this.#endingOf(changed)
    } catch (error) {
      throw nonsense('message.edit', error)
    }
  }

  #endingOf ({ text, metadata }: FinishBody): Ending {
    assertTextFits(text, this.#options.maxTextLength)
    return { text: text ?? undefined, metadata: metadata === undefined ? undefined : metadataText(metadata) }
  }
}
