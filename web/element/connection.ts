import { ChatError, createChatClient, type Store } from '../../client/index.js'
import type { ChatToken } from '../chat.js'
import { openChat, type Chat } from '../ui/chat.js'

export type ConnectionState =
  | { status: 'opening' }
  | { status: 'open', chat: Chat }
  | { status: 'failed', error: Error }

/** A user's chat at a service. Elements with the same server and token share one. */
export interface Connection extends Store<ConnectionState> {
  readonly server: string | null
  readonly token: ChatToken
  /** The element no longer needs it. */
  leave (): void
}

interface Shared extends Connection {
  users: number
}

const shared = new Set<Shared>()

/** The chat of the token's user. Each element that has called this calls `leave` in the end. */
export function connect (server: string | null, token: ChatToken): Connection {
  const known = [...shared].find((one) => one.server === server && one.token === token && one.getSnapshot().status !== 'failed')
  const connection = known ?? open(server, token)
  connection.users++
  return connection
}

function open (server: string | null, token: ChatToken): Shared {
  const listeners = new Set<() => void>()
  let state: ConnectionState = { status: 'opening' }
  const isUsed = () => shared.has(connection)

  function set (next: ConnectionState): void {
    state = next
    for (const listener of [...listeners]) listener()
  }

  const connection: Shared = {
    server,
    token,
    users: 0,
    subscribe (listener) {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    getSnapshot: () => state,
    leave () {
      connection.users--
      // An element that is moved within the page leaves and comes back.
      setTimeout(() => {
        if (connection.users > 0 || !shared.delete(connection)) return
        if (state.status === 'open') state.chat.close()
      })
    }
  }
  shared.add(connection)

  const client = createChatClient({ token, ...server === null ? {} : { baseUrl: server } })
  // Whether the service takes files: where it does not, it knows no URLs of them.
  const hasFiles = client.fileUrls(['?']).then(() => true, (error: unknown) => !(error instanceof ChatError && error.code === 'FEATURE_OFF'))
  Promise.all([client.me(), hasFiles]).then(([{ userId }, hasFiles]) => {
    if (isUsed()) set({ status: 'open', chat: openChat({ client, userId, hasFiles }) })
  }, (error: unknown) => {
    if (!isUsed()) return
    shared.delete(connection)
    set({ status: 'failed', error: error as Error })
  })
  return connection
}
