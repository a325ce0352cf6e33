import type { LoginBody, RegisterBody, LoginAnswer } from '../schemas/users.js'
import type { ServiceOptions } from './options.js'
import { createRequest, type CallOptions } from './base/request.js'

/** The accounts of the standalone server. A host app has these routes only if it enables them. */
export interface Accounts {
  /** Creates an account and signs it in. @throws ChatError `USER_EXISTS` */
  register (account: RegisterBody, options?: CallOptions): Promise<LoginAnswer>
  /** Signs in with a user name and a password. @throws ChatError `INVALID_CREDENTIALS`, `TOO_MANY_FAILURES` */
  login (account: LoginBody, options?: CallOptions): Promise<LoginAnswer>
}

/** Makes a client for the routes of accounts. It needs no token and never retries. */
export function createAccounts (options: Omit<ServiceOptions, 'token'> = {}): Accounts {
  const request = createRequest({ ...options, token: '', maxRetries: 0 })
  const post = (path: string, body: unknown, call?: CallOptions) => request<LoginAnswer>({ ...call, method: 'POST', path, body })
  return {
    register: (account, call) => post('/api/auth/register', account, call),
    login: (account, call) => post('/api/auth/login', account, call)
  }
}
