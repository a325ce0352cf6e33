import type { Profile } from '../../schemas/users.js'
import { createRecent } from '../base/recent.js'
import type { Conversation, OwnMessage } from '../custom.js'
import type { StreamEvent } from '../options.js'
import { eventNames } from '../stream/event-names.js'

/** The most people whose names are kept. Others are shown by the name that came with the message or conversation. */
const CAPACITY = 5000

/** A name, and an avatar if it is known. */
type Seen = Pick<Profile, 'userId' | 'displayName'> & Partial<Pick<Profile, 'avatar'>>

/** The newest name and avatar of each person, which also apply to messages and conversations that were loaded earlier. */
export interface People {
  /** Increases when somebody's name or avatar changes. */
  readonly version: number
  /** Call it before a fetch, and pass the result to `learn`. */
  mark (): number
  /** Stores a name as the newest. With `since`, the name was fetched, and one that an event brought after `since` stays. */
  learn (person: Seen, since?: number): void
  /** Stores the names of a conversation that was fetched. */
  learnFrom (conversation: Conversation, since: number): void
  /** Stores the names in an event. */
  hear (event: StreamEvent): void
  /** A person with the newest name and avatar. The same object if they did not change. */
  name<P extends Seen> (person: P): P
  /** A message whose sender, quoted sender and mentioned users have their newest names. The same object if none changed. */
  nameMessage (message: OwnMessage): OwnMessage
  /** A conversation whose participants and last message have the newest names. The same object if none changed. */
  nameAll (conversation: Conversation): Conversation
  /** Calls back when the version has increased. @returns a function that ends it */
  follow (changed: () => void): () => void
}

export function createPeople (): People {
  const people = createRecent<{ displayName: string, avatar: string | null | undefined, at: number }>(CAPACITY)
  const followers = new Set<() => void>()
  const named = new WeakMap<Conversation, { version: number, view: Conversation }>()
  const namedMessages = new WeakMap<OwnMessage, { version: number, names: string, view: OwnMessage }>()
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

  function nameMessage (message: OwnMessage): OwnMessage {
    const known = namedMessages.get(message)
    if (known?.version === version) return known.view
    const { replyTo } = message
    const sender = name(message.sender)
    const quoted = replyTo && name(replyTo.sender)
    const mentions = message.mentions.map(name)
    const names = JSON.stringify([sender, quoted, mentions])
    let view = known?.view ?? message
    // Somebody else's name may have changed.
    if (names !== (known?.names ?? JSON.stringify([message.sender, replyTo && replyTo.sender, message.mentions]))) {
      view = { ...message, sender, mentions, replyTo: replyTo && quoted && { ...replyTo, sender: quoted } }
    }
    namedMessages.set(message, { version, names, view })
    return view
  }

  function nameAll (conversation: Conversation): Conversation {
    const known = named.get(conversation)
    if (known?.version === version) return known.view
    const participants = conversation.participants.map(name)
    const last = conversation.lastMessage
    const lastMessage = last && nameMessage(last)
    const same = lastMessage === last && participants.every((participant, i) => participant === conversation.participants[i])
    const view = same ? conversation : { ...conversation, participants, lastMessage }
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
      if (!eventNames.includes(type)) return // Its data may be of any shape
      if ('sender' in data) learn(data.sender)
      else if ('displayName' in data) learn(data)
    },
    name,
    nameMessage,
    nameAll,
    follow (changed) {
      followers.add(changed)
      return () => { followers.delete(changed) }
    }
  }
}
