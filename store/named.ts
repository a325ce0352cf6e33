export type Kind = 'clientId' | 'conversation' | 'crowd' | 'crowdOfMessage' | 'former' | 'lastOfOthers' | 'message' | 'participant' | 'quota' |
  'ownState' | 'readerOfMessage' | 'resumable' | 'rows' | 'shown' | 'streams' | 'user'

/** What one command named in its `needs`. It may not ask the unit for anything else, even if other commands made it load that. */
export class Named {
  readonly #keys = new Set<string>()
  readonly #readers = new Map<string, string[]>()

  add (kind: Kind, ...ids: ReadonlyArray<string | number>): void {
    this.#keys.add(keyOf(kind, ids))
  }

  has (kind: Kind, ...ids: ReadonlyArray<string | number>): boolean {
    return this.#keys.has(keyOf(kind, ids))
  }

  /** A message, with a user whose participation in the message's conversation is needed. */
  addMessage (messageId: string, userId: string): void {
    this.add('message', messageId)
    this.#readers.set(messageId, [...this.#readers.get(messageId) ?? [], userId])
  }

  /** Names the conversation of a named message. It is known once the message is loaded. */
  follow (messageId: string, conversationId: string): void {
    for (const userId of this.#readers.get(messageId) ?? []) {
      this.add('participant', conversationId, userId)
      if (this.has('readerOfMessage', messageId, userId)) this.add('ownState', conversationId, userId)
    }
    if (this.has('crowdOfMessage', messageId)) this.add('crowd', conversationId)
  }
}

const keyOf = (kind: Kind, ids: ReadonlyArray<string | number>): string => `${kind}\n${ids.join('\n')}`
