import type { SearchPage, SearchQuery } from '../schemas/search.js'
import type { Acting } from './actor.js'
import type { Files } from './files.js'
import { MessageOperations } from './operations/messages.js'
import { Operations } from './operations/operations.js'

type Operation = keyof MessageOperations | 'search'
type FileOperation = 'upload' | 'delete' | 'open' | 'read' | 'links'

/** These methods, without their first parameter, which is the caller. */
type Bound<T, Names extends keyof T> = {
  [Name in Names]: T[Name] extends (acting: never, ...rest: infer Rest) => infer Result ? (...rest: Rest) => Result : never
}

/** What of `app.chat` can be bound. */
type BindableChat = MessageOperations & { readonly files: Files, search (userId: string, query: SearchQuery): Promise<SearchPage> }

/** The operations of `app.chat` as one user calls them. */
export type BoundChat = Bound<BindableChat, Operation> & { readonly files: Bound<Files, FileOperation> }

/** The methods that the classes in operations/ add to their base. */
function * added (): Generator<Operation> {
  for (let each: object = MessageOperations.prototype; each !== Operations.prototype; each = Object.getPrototypeOf(each) as object) {
    for (const name of Object.getOwnPropertyNames(each)) if (name !== 'constructor') yield name as Operation
  }
}

const operations: readonly Operation[] = [...added(), 'search']
const fileOperations: readonly FileOperation[] = ['upload', 'delete', 'open', 'read', 'links']

type Method = (acting: Acting, ...rest: unknown[]) => unknown

function bound<T extends object, Names extends keyof T> (of: T, names: readonly Names[], userId: string): Bound<T, Names> {
  return Object.fromEntries(names.map(name =>
    [name, (...rest: unknown[]) => (of[name] as Method).call(of, userId, ...rest)])) as Bound<T, Names>
}

export function boundChat (chat: BindableChat, userId: string): BoundChat {
  const all = bound<BindableChat, Operation>(chat, operations, userId)
  return Object.defineProperty(all, 'files', { get: () => bound(chat.files, fileOperations, userId), enumerable: true }) as BoundChat
}
