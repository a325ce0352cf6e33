import { Type, type Static, type TSchema } from 'typebox'
import { chatError, isChatError } from '../../errors.js'
import { callHook, type HookLimits } from './call.js'
import { conversationOf, type SharedConversation } from './conversation.js'
import type { Queries } from '../../store/queries.js'
import type { Command, Writer } from '../../store/writer.js'
import { actorOf, type Acting, type Via } from '../actor.js'
import type { Users } from '../users.js'
import { isValid } from '../validation.js'

/** What a host is asked about before it happens. */
export type Action = 'message.send' | 'message.edit' | 'message.delete' | 'reaction.add' | 'conversation.create' | 'conversation.update' |
  'participants.add' | 'participants.remove' | 'file.upload'

/** An action that is about to happen. */
export interface Attempt {
  action: Action
  userId: string
  via: Via
  /** The conversation as everybody in it sees it. Null where there is none yet. */
  conversation: SharedConversation | null
  /** The body of the call, and the ids of its path. Frozen. */
  input: Readonly<Record<string, unknown>>
}

/** Returns nothing, a changed input that replaces the one given, or a refusal (`refuse`), which may be thrown, too. */
export type BeforeHook = (attempt: Attempt) => unknown

/** An input of which a hook can change nothing: it has ids only. */
export const NothingToChange = Type.Object({})

/** An operation that the host is asked about. */
export interface Asked<Body extends object, Result> {
  action: Action
  /** False where the host has no say in it. */
  isAsked?: boolean
  acting: Acting
  /** The conversation's id, or undefined if there is none yet. */
  conversationId: () => Promise<string | undefined> | string | undefined
  /** Ids of the path, which a hook sees and cannot change. */
  /** Who sees the conversation, if the user does not any more. */
  seenBy?: string
  ids?: Record<string, string>
  body: Body
  /** What a changed body must match. */
  schema: TSchema
  /** Whether it has happened before, so that it is not asked about again. */
  isRepeat?: (result: Result) => boolean
  /** Users whom the body names: if they are unknown, the host is asked for them. */
  names?: (body: Body) => string[]
  command: (body: Body) => Command<Result>
}

export interface GateOptions {
  queries: Queries
  writer: Writer
  users: Users
  before: BeforeHook | undefined
  limits: HookLimits
}

/** What one user does passes here on its way to a transaction: the host's hook is asked first, outside of all locks. */
export class Gate {
  readonly #options: GateOptions

  constructor (options: GateOptions) {
    this.#options = options
  }

  /** Whether there is a host that wants to be asked. */
  get asks (): boolean {
    return this.#options.before !== undefined
  }

  /** Runs the command of an operation that the host is not asked about. Unknown users whom it `names` are looked up. */
  async writeUnasked<Result> (command: Command<Result>, names: readonly string[] = []): Promise<Result> {
    const { writer, users } = this.#options
    try {
      return await writer.write(command)
    } catch (error) {
      // Once the command has found nothing else wrong
      if (names.length === 0 || !isChatError(error, 'UNKNOWN_USER') || !await users.resolve(names)) throw error
      return await writer.write(command)
    }
  }

  /** Runs the command of an operation, once the host has agreed. @throws REFUSED, UNAVAILABLE, INTERNAL_ERROR, and what the command throws */
  async act<Result, Body extends object> (asked: Asked<Body, Result>): Promise<Result> {
    const { before, writer } = this.#options
    const { body, isAsked = true, isRepeat, names } = asked
    const command = asked.command(body)
    if (before === undefined || !isAsked) return await this.writeUnasked(command, names?.(body))
    if (await this.#isRepeat(command, isRepeat)) return await writer.write(command)
    const changed = await this.ask(asked)
    if (changed === undefined) return await this.writeUnasked(command, names?.(body))
    return await this.writeUnasked(commandOf(asked, changed), names?.(changed))
  }

  /** Decides the command without writing. @throws what is judged before the host is asked; what depends on the state is judged after */
  async #isRepeat<Result> (command: Command<Result>, isRepeat: ((result: Result) => boolean) | undefined): Promise<boolean> {
    try {
      const result = await this.#options.writer.rehearse(command)
      return isRepeat?.(result) === true
    } catch (error) {
      if (!isChatError(error) || isDecided(error)) throw error
      return false
    }
  }

  /** Asks the host. @returns the changed body, if it was changed. @throws REFUSED, UNAVAILABLE; INTERNAL_ERROR where it is not valid */
  async ask<Body extends object> (
    { action, acting, conversationId, seenBy, ids = {}, body, schema }: Omit<Asked<Body, never>, 'isAsked' | 'isRepeat' | 'names' | 'command'>
  ): Promise<Body | undefined> {
    const { before, queries } = this.#options
    if (before === undefined) return undefined
    const { userId, via } = actorOf(acting)
    const about = await conversationId()
    const conversation = about === undefined ? null : await conversationOf(queries, about, seenBy ?? userId)
    const input = frozen({ ...ids, ...body })
    const attempt = Object.freeze({ action, userId, via, conversation, input })
    const answer = await callHook(`hooks.before for ${action}`, async () => await before(attempt), this.#options.limits)
    if (isChatError(answer, 'REFUSED')) throw answer
    if (answer === undefined || answer === null || answer === input) return undefined
    return changedInput<Body>(action, schema, answer)
  }
}

/** Whether a refusal is judged before a hook is asked: by the request alone, by what the caller may see, or by role. */
const isDecided = (refusal: { statusCode: number, code: string }): boolean => refusal.statusCode <= 404 || refusal.code === 'CLIENT_ID_REUSED'

/** A copy, which nobody changes. */
function frozen<T extends object> (value: T): T {
  return freeze(JSON.parse(JSON.stringify(value)) as T)
}

function freeze<T> (value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const each of Object.values(value)) freeze(each)
  return Object.freeze(value)
}

function changedInput<Body> (action: Action, schema: TSchema, answer: unknown): Body {
  let body: unknown
  try {
    body = JSON.parse(JSON.stringify(answer)) as unknown
  } catch (error) {
    throw nonsense(action, error)
  }
  if (!isValid(schema, body)) throw nonsense(action)
  return body as Static<TSchema> as Body
}

function commandOf<Body extends object, Result> ({ action, command }: Asked<Body, Result>, body: Body): Command<Result> {
  try {
    return command(body)
  } catch (error) {
    throw nonsense(action, error)
  }
}

/** What the host does wrong is not the caller's fault. */
export const nonsense = (action: Action, cause?: unknown): Error =>
  chatError('INTERNAL_ERROR', { cause: new Error(`hooks.before returned an invalid input for ${action}`, { cause }) })
