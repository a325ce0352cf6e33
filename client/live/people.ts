import type { Conversation } from '../../schemas/conversations.js'
import type { Profile } from '../../schemas/users.js'
import { createRecent } from '../base/recent.js'
import type { StreamEvent } from '../options.js'

/** People remembered. Who was seen least recently is forgotten first, and shown by the name that came with what is shown. */
const CAPACITY = 5000

/** A name; the picture only where it was told, too. */
type Seen = Pick<Profile, 'userId' | 'displayName'> & Partial<Pick<Profile, 'avatar'>>

/** The newest name and picture of everybody, for all that is shown of them, however long ago it was loaded. */
export interface People {
  /** Grows when somebody's name or picture is another than before. */
  readonly version: number
  /** To be called before a fetch, for `learn`. */
  mark (): number
  /** Takes a name as the newest; one that was fetched only where none was heard after `since`. */
  learn (person: Seen, since?: number): void
  learnFrom (conversation: Conversation, since: number): void
  hear (event: StreamEvent): void
  /** The same object where nothing about it is new. */
  name<P extends Seen> (person: P): P
  nameAll (conversation: Conversation): Conversation
  /** Calls back when the version has grown. @returns a function that ends it */
  follow (changed: () => void): () => void
}

export function createPeople (): People {
  const people = createRecent<{ displayName: string, avatar: string | null | undefined, at: number }>(CAPACITY)
  const followers = new Set<() => void>()
  const named = new WeakMap<Conversation, { version: number, view: Conversation }>()
  let version = 0
  let heard = 0

  function learn ({ userId, displayName, avatar }: Seen, since?: number): void {
    const known = people.get(userId)
    if (known !== undefined && since !== undefined && known.at > since) return
    const next = { displayName, avatar: avatar === undefined ? known?.avatar : avatar, at: since ?? ++heard }
    people.set(userId, next)
    if (known?.displayName === next.displayName && known.avatar === next.avatar) return
    version++
    for (const changed of [...followers]) changed()
  }

  function name<P extends Seen> (person: P): P {
    const known = people.get(person.userId)
    if (known === undefined) return person
    const { displayName, avatar = person.avatar } = known
    if (displayName === person.displayName && avatar === person.avatar) return person
    return { ...person, displayName, ...('avatar' in person ? { avatar } : {}) }
  }

  function nameAll (conversation: Conversation): Conversation {
    const known = named.get(conversation)
    if (known?.version === version) return known.view
    const participants = conversation.participants.map(name)
    const last = conversation.lastMessage
    const sender = last && name(last.sender)
    const same = sender === (last && last.sender) && participants.every((participant, i) => participant === conversation.participants[i])
    const view = same ? conversation : { ...conversation, participants, lastMessage: last && sender && { ...last, sender } }
    named.set(conversation, { version, view })
    return view
  }

  return {
    get version () { return version },
    mark: () => heard,
    learn,
    learnFrom ({ participants, lastMessage }, since) {
      if (lastMessage !== null) learn(lastMessage.sender, since)
      for (const participant of participants) learn(participant, since)
    },
    hear ([type, data]) {
      switch (type) {
        case 'message':
        case 'messageUpdated':
        case 'messageDeleted': learn(data.sender); break
        case 'typing':
        case 'participantJoined':
        case 'participantLeft':
        case 'participantUpdated': learn(data)
      }
    },
    name,
    nameAll,
    follow (changed) {
      followers.add(changed)
      return () => { followers.delete(changed) }
    }
  }
}
