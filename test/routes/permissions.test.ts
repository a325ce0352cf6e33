import { test } from 'tap'
import type { ConversationSettings } from '../../schemas/conversations.js'
import type { OwnMessage as Message } from '../../schemas/messages.js'
import { build, user, users, type Answer, type User } from '../helper.js'

// Who may do what: each action in each role, in each kind of conversation.

const THUMB = encodeURIComponent('👍')
const ROLES = ['member', 'admin', 'owner'] as const
type Role = typeof ROLES[number]

/** A conversation as one of its participants acts in it, and messages of theirs, of a member and of the owner. */
interface Place { who: User, id: string, own: Message, ofOwner: Message, ofMember: Message }

const conversation = ({ id }: Place): string => `/api/chat/conversations/${id}`
const message = ({ id }: Message): string => `/api/chat/messages/${id}`

/** What an action answers: `.` for 2xx, else the code. */
const short = ({ status, body }: Answer): string => status < 300 ? '.' : String(body.code)

const send = async (place: Place, more: object = {}): Promise<Answer> =>
  await place.who.call('POST', '/api/chat/messages', { conversationId: place.id, text: 'x', ...more })

const OK = '.'
const BLOCKED = 'BLOCKED'
const RESTRICTED = 'POSTING_RESTRICTED'
const FORBIDDEN = 'FORBIDDEN'
const NOT_A_GROUP = 'NOT_A_GROUP'

/** What an action answers: in a direct conversation, in one with a block; and then by role in a group, with the setting of who may post. */
interface Rule {
  act: (place: Place) => Promise<Answer>
  direct: string
  blocked: string
  group: (role: Role, posting: ConversationSettings['posting']) => string
}

const always = (): string => OK
const unlessFrozen: Rule['group'] = (_, posting) => posting === 'nobody' ? RESTRICTED : OK
const posting: Rule['group'] = (role, posting) => posting === 'nobody' || (posting === 'admins' && role === 'member') ? RESTRICTED : OK
const managers: Rule['group'] = role => role === 'member' ? FORBIDDEN : OK
const owner: Rule['group'] = role => role === 'owner' ? OK : FORBIDDEN

const rules: Record<string, Rule> = {
  send: { act: async place => await send(place), direct: OK, blocked: BLOCKED, group: posting },
  reply: { act: async place => await send(place, { replyToId: place.ofOwner.id }), direct: OK, blocked: BLOCKED, group: posting },
  'mention somebody': { act: async place => await send(place, { mentions: [{ userId: 'owner' }] }), direct: OK, blocked: BLOCKED, group: posting },
  'mention everybody': { act: async place => await send(place, { mentionsAll: true }), direct: OK, blocked: BLOCKED, group: posting },
  type: {
    act: async ({ who, id }) => await who.call('POST', '/api/chat/typing', { conversationId: id, isTyping: true }), direct: OK, blocked: BLOCKED, group: posting
  },
  'stop typing': {
    act: async ({ who, id }) => await who.call('POST', '/api/chat/typing', { conversationId: id, isTyping: false }), direct: OK, blocked: OK, group: always
  },
  'edit own': { act: async ({ who, own }) => await who.call('PATCH', message(own), { text: 'y' }), direct: OK, blocked: BLOCKED, group: unlessFrozen },
  'edit own metadata': {
    act: async ({ who, own }) => await who.call('PATCH', message(own), { metadata: { a: 1 } }), direct: OK, blocked: BLOCKED, group: unlessFrozen
  },
  'edit another\'s': {
    act: async ({ who, ofMember, ofOwner, own }) => await who.call('PATCH', message(own.senderId === ofMember.senderId ? ofOwner : ofMember), { text: 'y' }),
    direct: FORBIDDEN,
    blocked: FORBIDDEN,
    group: () => FORBIDDEN
  },
  react: { act: async ({ who, ofMember }) => await who.call('PUT', `${message(ofMember)}/reactions/${THUMB}`), direct: OK, blocked: BLOCKED, group: unlessFrozen },
  'take a reaction back': {
    act: async ({ who, ofMember }) => await who.call('DELETE', `${message(ofMember)}/reactions/${THUMB}`), direct: OK, blocked: BLOCKED, group: unlessFrozen
  },
  metadata: { act: async place => await place.who.call('PATCH', conversation(place), { metadata: { a: 1 } }), direct: OK, blocked: BLOCKED, group: managers },
  title: { act: async place => await place.who.call('PATCH', conversation(place), { title: 'x' }), direct: NOT_A_GROUP, blocked: NOT_A_GROUP, group: managers },
  settings: {
    act: async place => await place.who.call('PATCH', conversation(place), { settings: { pinning: 'everyone' } }), direct: NOT_A_GROUP, blocked: NOT_A_GROUP, group: managers
  },
  mark: { act: async ({ who, ofOwner, ofMember, own }) => await who.call('PUT', `${message(own.senderId === ofMember.senderId ? ofOwner : ofMember)}/status`, { status: 'read' }), direct: OK, blocked: OK, group: always },
  'read up to here': { act: async place => await place.who.call('PUT', `${conversation(place)}/read`, { seq: 1 }), direct: OK, blocked: OK, group: always },
  history: { act: async place => await place.who.call('GET', `${conversation(place)}/messages`), direct: OK, blocked: OK, group: always },
  message: { act: async ({ who, ofOwner }) => await who.call('GET', message(ofOwner)), direct: OK, blocked: OK, group: always },
  replies: { act: async ({ who, ofOwner }) => await who.call('GET', `${message(ofOwner)}/replies`), direct: OK, blocked: OK, group: always },
  reactions: { act: async ({ who, ofOwner }) => await who.call('GET', `${message(ofOwner)}/reactions`), direct: OK, blocked: OK, group: always },
  receipts: { act: async ({ who, own }) => await who.call('GET', `${message(own)}/receipts`), direct: OK, blocked: OK, group: always },
  'own state': { act: async place => await place.who.call('PATCH', `${conversation(place)}/me`, { favourite: true }), direct: OK, blocked: OK, group: always },
  changes: { act: async place => await place.who.call('GET', `${conversation(place)}/changes`), direct: OK, blocked: OK, group: always },
  conversation: { act: async place => await place.who.call('GET', conversation(place)), direct: OK, blocked: OK, group: always },
  // These change what the others need.
  'delete own': { act: async ({ who, own }) => await who.call('DELETE', message(own)), direct: OK, blocked: OK, group: always },
  'delete another member\'s': { act: async ({ who, ofMember }) => await who.call('DELETE', message(ofMember)), direct: FORBIDDEN, blocked: FORBIDDEN, group: managers },
  'delete the owner\'s': { act: async ({ who, ofOwner }) => await who.call('DELETE', message(ofOwner)), direct: FORBIDDEN, blocked: FORBIDDEN, group: owner },
  add: {
    act: async place => await place.who.call('POST', `${conversation(place)}/participants`, { participantIds: ['new'] }),
    direct: NOT_A_GROUP,
    blocked: NOT_A_GROUP,
    group: managers
  },
  'change a role': {
    act: async place => await place.who.call('PUT', `${conversation(place)}/participants/removed`, { role: 'admin' }),
    direct: NOT_A_GROUP,
    blocked: NOT_A_GROUP,
    group: owner
  },
  'remove a member': {
    act: async place => await place.who.call('DELETE', `${conversation(place)}/participants/removed`), direct: NOT_A_GROUP, blocked: NOT_A_GROUP, group: managers
  },
  delete: { act: async place => await place.who.call('DELETE', conversation(place)), direct: NOT_A_GROUP, blocked: NOT_A_GROUP, group: owner }
}

test('the table of permissions', async t => {
  const app = await build(t)
  const people = Object.fromEntries(['owner', 'admin', 'member', 'other', 'removed', 'new'].map(id => [id, user(app, id)])) as Record<string, User>
  for (const who of Object.values(people)) await who.arrive()
  const { owner, admin, member, other, removed } = people as Record<'owner' | 'admin' | 'member' | 'other' | 'removed', User>

  async function group (posting: ConversationSettings['posting']): Promise<Array<Place & { role: Role }>> {
    const id = await owner.group([admin, member, other, removed])
    await owner.ok('PUT', `/api/chat/conversations/${id}/participants/admin`, { role: 'admin' })
    const places = []
    for (const role of ROLES) {
      const who = people[role]!
      places.push({ role, who, id, own: await who.send(id, 'own'), ofMember: await other.send(id, 'theirs'), ofOwner: await owner.send(id, 'the owner\'s') })
    }
    await owner.ok('PATCH', `/api/chat/conversations/${id}`, { settings: { posting } })
    return places
  }

  async function direct (): Promise<Place[]> {
    const id = await owner.direct(member)
    const [ofOwner, ofMember] = [await owner.send(id, 'x'), await member.send(id, 'y')]
    return [
      { who: owner, id, own: await owner.send(id, 'own'), ofMember, ofOwner: ofMember },
      { who: member, id, own: await member.send(id, 'own'), ofMember: ofOwner, ofOwner }
    ]
  }

  for (const kind of ['direct', 'blocked'] as const) {
    const places = await direct()
    if (kind === 'blocked') await owner.ok('PUT', '/api/chat/blocks/member')
    for (const [name, rule] of Object.entries(rules)) {
      for (const place of places) t.equal(short(await rule.act(place)), rule[kind], `${kind}: ${place.who.id}: ${name}`)
    }
  }
  for (const posting of ['everyone', 'admins', 'nobody'] as const) {
    const places = await group(posting)
    for (const [name, rule] of Object.entries(rules)) {
      for (const place of places) {
        t.equal(short(await rule.act(place)), rule.group(place.role, posting), `${posting}: ${place.role}: ${name}`)
        if (name === 'remove a member' && place.role === 'admin') {
          await owner.ok('POST', `/api/chat/conversations/${place.id}/participants`, { participantIds: ['removed'] })
        }
      }
    }
  }
})

test('who may mention everybody', async t => {
  const app = await build(t)
  const [owner, admin, member] = users(app, 'owner', 'admin', 'member') as [User, User, User]
  const id = await owner.group([admin, member])
  await owner.ok('PUT', `/api/chat/conversations/${id}/participants/admin`, { role: 'admin' })
  await owner.ok('PATCH', `/api/chat/conversations/${id}`, { settings: { mentionAll: 'admins' } })
  for (const [who, status] of [[owner, 201], [admin, 201], [member, 403]] as const) {
    t.equal((await who.call('POST', '/api/chat/messages', { conversationId: id, text: 'x', mentionsAll: true })).status, status, who.id)
  }
})
