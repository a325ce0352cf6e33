import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, Api } from './api.js'
import type { Model, SentMessage } from './model.js'
import type { Rng } from './rng.js'

export interface ActorOptions {
  userId: string
  /** Groups whose participants this user adds and removes, and the users in question. */
  manages: ReadonlyArray<{ conversationId: string, volatile: readonly string[], steady: readonly string[] }>
  /** Groups that the user leaves now and then. */
  leaves: readonly string[]
  everybody: readonly string[]
  /** The mean pause between two actions, in milliseconds. */
  pauseMs: number
}

const RANKS = ['sent', 'delivered', 'read']
/** Characters of one to four bytes in UTF-8. */
const LETTERS = ['a', 'é', '語', '🚀', ' ', '\n', '"', '\\', '\u2028']

/** A user who does everything that users do, one action after the other, each until it is answered. */
export class Actor {
  readonly #options: ActorOptions
  readonly #api: Api
  readonly #model: Model
  readonly #rng: Rng
  readonly #problem: (text: string) => void
  #count = 0
  /** The highest status in which each message was ever seen. */
  readonly #statuses = new Map<string, number>()

  constructor (options: ActorOptions, { api, model, rng, problem }: { api: Api, model: Model, rng: Rng, problem: (text: string) => void }) {
    this.#options = options
    this.#api = api
    this.#model = model
    this.#rng = rng
    this.#problem = text => { problem(`${options.userId}: ${text}`) }
  }

  async run (signal: AbortSignal): Promise<void> {
    const { manages, leaves, pauseMs } = this.#options
    while (!signal.aborted) {
      const act = this.#rng.weighted({
        send: 50,
        flood: 0.6,
        grow: 3,
        mark: 18,
        markAll: 5,
        edit: 7,
        remove: 3,
        type: 8,
        appear: 2,
        look: 4,
        manage: manages.length > 0 ? 5 : 0,
        promote: manages.length > 0 ? 1 : 0,
        leave: leaves.length > 0 ? 1 : 0,
        group: 0.5,
        trespass: 0.5
      })
      const conversations = this.#model.conversationsOf(this.#options.userId)
      if (conversations.length > 0) await this.#act(act, this.#rng.pick(conversations))
      await sleep(this.#rng.exponential(pauseMs), undefined, { signal }).catch(() => {})
    }
  }

  async #act (act: string, conversationId: string): Promise<void> {
    switch (act) {
      case 'send': return await this.#send(conversationId, this.#rng.chance(0.05) ? 4000 : this.#rng.integer(1, 200))
      case 'flood': return await this.#flood(conversationId)
      case 'grow': return await this.#grow(conversationId)
      case 'mark': return await this.#mark(conversationId)
      case 'markAll': return await this.#markAll(conversationId)
      case 'edit': return await this.#edit(conversationId)
      case 'remove': return await this.#remove(conversationId)
      case 'type': return await this.#type(conversationId)
      case 'appear': return await this.#appear()
      case 'look': return await this.#look(conversationId)
      case 'manage': return await this.#manage()
      case 'promote': return await this.#promote()
      case 'leave': return await this.#leave()
      case 'group': return await this.#group()
      case 'trespass': return await this.#trespass()
    }
  }

  async #call (method: string, path: string, body?: unknown): Promise<Answer & { attempts: number }> {
    return await this.#api.call(this.#options.userId, method, path, body)
  }

  /** A call as a participant. Undefined if the response is 404 and that is possible. */
  async #within (
    conversationId: string, method: string, path: string, body: unknown, accepted: number[]
  ): Promise<(Answer & { attempts: number }) | undefined> {
    const { epoch } = this.#model.membership(conversationId, this.#options.userId)
    const answer = await this.#call(method, path, body)
    if (accepted.includes(answer.status)) return answer
    if (answer.status !== 404 || this.#model.wasIn(conversationId, this.#options.userId, epoch)) {
      this.#problem(`${method} ${path} in ${conversationId}, attempt ${answer.attempts}, membership ${epoch}: ${answer.status} ${JSON.stringify(answer.body)}`)
    }
    return undefined
  }

  #text (version: string, length: number): string {
    let text = `${version} `
    for (let left = length - text.length; left > 0; left--) text += this.#rng.pick(LETTERS)
    return text
  }

  // ---- messages

  async #send (conversationId: string, length: number): Promise<void> {
    const { userId } = this.#options
    const clientId = `${userId}.${++this.#count}`
    const text = this.#text(clientId, length)
    const message = this.#model.attempt(conversationId, userId, clientId, text)
    const post = async (): Promise<Answer | undefined> => {
      const answer = await this.#within(conversationId, 'POST', '/api/chat/messages', { conversationId, text, clientId }, [200, 201])
      if (answer !== undefined) this.#confirm(message, answer.body)
      return answer
    }
    // The same message at the same moment, and again later.
    const answers = await Promise.all(this.#rng.chance(0.03) ? [post(), post()] : [post()])
    if (this.#rng.chance(0.03)) await post()
    if (answers.filter(answer => answer?.status === 201).length > 1) this.#problem(`${clientId} was made twice`)
  }

  #confirm (message: SentMessage, { id, seq }: Record<string, unknown>): void {
    if (message.saved !== undefined && (message.saved.id !== id || message.saved.seq !== seq)) {
      this.#problem(`${message.clientId} is ${message.saved.id}, and then ${String(id)}`)
    }
    this.#model.saved(message, String(id), Number(seq))
  }

  async #flood (conversationId: string): Promise<void> {
    for (let left = 15; left > 0; left--) await this.#send(conversationId, 4000)
  }

  /** A message that grows: whatever happens, what was answered is there. */
  async #grow (conversationId: string): Promise<void> {
    const { userId } = this.#options
    const clientId = `${userId}.${++this.#count}`
    let text = this.#text(clientId, this.#rng.integer(1, 60))
    const message = this.#model.attempt(conversationId, userId, clientId, text, true)
    const sent = await this.#within(conversationId, 'POST', '/api/chat/messages', { conversationId, text, clientId, growing: true }, [200, 201])
    if (sent === undefined) return
    this.#confirm(message, sent.body)
    const path = `/api/chat/messages/${message.saved!.id}`
    for (let left = this.#rng.integer(1, 10); left > 0; left--) {
      const delta = Array.from({ length: this.#rng.integer(1, 60) }, () => this.#rng.pick(LETTERS)).join('')
      const grown = text + delta
      message.texts.add(grown)
      message.finalTexts.add(grown)
      const answer = await this.#within(conversationId, 'POST', `${path}/append`, { offset: text.length, text: delta }, [200])
      if (answer === undefined) return
      if (answer.body.length !== grown.length) this.#problem(`${clientId} has grown to ${grown.length}, and the answer is ${JSON.stringify(answer.body)}`)
      text = grown
      message.finalTexts = new Set([text])
    }
    const answer = await this.#within(conversationId, 'POST', `${path}/finish`, undefined, [200])
    if (answer === undefined) return
    message.isGrowing = false
    if (answer.body.text !== text || answer.body.growing !== false) this.#problem(`${clientId} was finished as ${JSON.stringify(answer.body)}`)
  }

  #own (conversationId: string): SentMessage | undefined {
    const own = this.#model.savedIn(conversationId).slice(-100).filter(
      ({ senderId, deletedAt }) => senderId === this.#options.userId && deletedAt === undefined
    )
    return own.length === 0 ? undefined : this.#rng.pick(own)
  }

  async #edit (conversationId: string): Promise<void> {
    const message = this.#own(conversationId)
    if (message?.saved === undefined || message.isGrowing) return
    const text = this.#text(`${message.clientId} edit ${++this.#count}`, this.#rng.integer(30, 100))
    message.texts.add(text)
    message.finalTexts.add(text)
    const answer = await this.#within(conversationId, 'PATCH', `/api/chat/messages/${message.saved.id}`, { text }, [200])
    if (answer === undefined) return
    // A copy of the request may still be under way, in a process that is paused.
    if (answer.attempts > 1) message.lateTexts.add(text)
    message.finalTexts = new Set([text, ...message.lateTexts])
    if (answer.body.text !== text || answer.body.editedAt === null) this.#problem(`an edit was answered ${JSON.stringify(answer.body)}`)
  }

  async #remove (conversationId: string): Promise<void> {
    const message = this.#own(conversationId)
    if (message?.saved === undefined) return
    message.texts.add('')
    message.finalTexts.add('')
    const answer = await this.#within(conversationId, 'DELETE', `/api/chat/messages/${message.saved.id}`, undefined, [200])
    if (answer === undefined) return
    message.finalTexts = new Set([''])
    message.deletedAt = Date.now()
    if (answer.body.text !== '' || answer.body.deletedAt === null) this.#problem(`a deletion was answered ${JSON.stringify(answer.body)}`)
  }

  // ---- receipts

  async #mark (conversationId: string): Promise<void> {
    const { userId } = this.#options
    const others = this.#model.savedIn(conversationId).slice(-20).filter(({ senderId }) => senderId !== userId)
    if (others.length === 0) return
    const { saved } = this.#rng.pick(others)
    const status = this.#rng.pick(['delivered', 'read'] as const)
    const answer = await this.#within(conversationId, 'PUT', `/api/chat/messages/${saved!.id}/status`, { status }, [200])
    if (answer === undefined) return
    if (RANKS.indexOf(String(answer.body.status)) < RANKS.indexOf(status)) this.#problem(`marked ${status}, and it is ${String(answer.body.status)}`)
    this.#model.marked(conversationId, userId, status, saved!.seq)
  }

  async #markAll (conversationId: string): Promise<void> {
    const seq = this.#model.savedIn(conversationId).at(-1)?.saved?.seq
    if (seq === undefined) return
    const answer = await this.#within(conversationId, 'PUT', `/api/chat/conversations/${encodeURIComponent(conversationId)}/read`, { seq }, [200])
    if (answer === undefined) return
    if (Number(answer.body.seq) < seq) this.#problem(`read up to ${seq}, and it says ${String(answer.body.seq)}`)
    this.#model.marked(conversationId, this.#options.userId, 'read', seq)
  }

  // ---- presence

  async #type (conversationId: string): Promise<void> {
    await this.#within(conversationId, 'POST', '/api/chat/typing', { conversationId, isTyping: this.#rng.chance(0.7) }, [200])
  }

  async #appear (): Promise<void> {
    const { status } = await this.#call('PUT', '/api/chat/status/online', { isOnline: this.#rng.chance(0.6) })
    if (status !== 200) this.#problem(`online status: ${status}`)
  }

  // ---- history

  /** Reads the newest page, which must have no gap and no status that went back. */
  async #look (conversationId: string): Promise<void> {
    const answer = await this.#within(conversationId, 'GET', `/api/chat/conversations/${encodeURIComponent(conversationId)}/messages?limit=40`, undefined, [200])
    const messages = (answer?.body.messages ?? []) as Array<{ id: string, seq: number, status: string }>
    messages.forEach(({ id, seq, status }, index) => {
      if (index > 0 && seq !== messages[index - 1]!.seq + 1) this.#problem(`history jumps from ${messages[index - 1]!.seq} to ${seq}`)
      const rank = RANKS.indexOf(status)
      if (rank < (this.#statuses.get(id) ?? 0)) this.#problem(`the status of ${id} went back to ${status}`)
      this.#statuses.set(id, rank)
    })
  }

  // ---- memberships

  async #manage (): Promise<void> {
    const { conversationId, volatile } = this.#rng.pick(this.#options.manages)
    const userId = this.#rng.pick(volatile)
    const path = `/api/chat/conversations/${encodeURIComponent(conversationId)}/participants`
    if (this.#model.beginChange(conversationId, userId, 'in')) {
      // 404: an attempt whose response was lost has done it.
      const { status, attempts, body } = await this.#call('DELETE', `${path}/${userId}`)
      if (status !== 204 && !(status === 404 && (attempts > 1 || this.#model.membership(conversationId, userId).doubtful))) this.#problem(`removing ${userId}: ${status} ${JSON.stringify(body)}`)
      this.#model.endChange(conversationId, userId, 'out', attempts)
    } else if (this.#model.beginChange(conversationId, userId, 'out')) {
      const { status, body, attempts } = await this.#call('POST', path, { participantIds: [userId] })
      if (status !== 200) this.#problem(`adding ${userId}: ${status} ${JSON.stringify(body)}`)
      this.#model.endChange(conversationId, userId, 'in', attempts)
    }
  }

  async #promote (): Promise<void> {
    const { conversationId, steady } = this.#rng.pick(this.#options.manages)
    const userId = this.#rng.pick(steady)
    const { status, body } = await this.#call('PUT', `/api/chat/conversations/${encodeURIComponent(conversationId)}/participants/${userId}`,
      { role: this.#rng.pick(['admin', 'member']) })
    if (status !== 200) this.#problem(`promoting ${userId}: ${status} ${JSON.stringify(body)}`)
  }

  async #leave (): Promise<void> {
    const { userId, leaves } = this.#options
    const conversationId = this.#rng.pick(leaves)
    if (!this.#model.beginChange(conversationId, userId, 'in')) return
    const { status, attempts } = await this.#call('DELETE', `/api/chat/conversations/${encodeURIComponent(conversationId)}/participants/${userId}`)
    if (status !== 204 && !(status === 404 && (attempts > 1 || this.#model.membership(conversationId, userId).doubtful))) this.#problem(`leaving: ${status}`)
    this.#model.endChange(conversationId, userId, 'out', attempts)
  }

  async #group (): Promise<void> {
    const { userId, everybody } = this.#options
    const participantIds = [...new Set([this.#rng.pick(everybody), this.#rng.pick(everybody)])]
    const { status, body } = await this.#call('POST', '/api/chat/conversations', { type: 'group', title: `by ${userId}`, participantIds })
    if (status !== 201) return this.#problem(`a new group: ${status}`)
    this.#model.addConversation(String(body.id), [...new Set([userId, ...participantIds])])
  }

  /** Foreign conversations must not be found. */
  async #trespass (): Promise<void> {
    const { status } = await this.#call('POST', '/api/chat/messages', { conversationId: 'group_of_others', text: 'let me in' })
    if (status !== 404) this.#problem(`another's conversation: ${status}`)
  }
}
