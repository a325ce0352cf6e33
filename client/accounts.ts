import type { LoginBody, RegisterBody, Session } from '../schemas/users.js'
import type { ServiceOptions } from './options.js'
import { createRequest, type CallOptions } from './base/request.js'

/** Accounts of the standalone server; inside another app there are none unless asked for. */
export interface Accounts {
  /** @throws `USER_EXISTS` */
  register (account: RegisterBody, options?: CallOptions): Promise<Session>
  /** @throws `INVALID_CREDENTIALS`, `TOO_MANY_FAILURES` */
  login (account: LoginBody, options?: CallOptions): Promise<Session>
}

export function createAccounts (options: Omit<ServiceOptions, 'token'> = {}): Accounts {
  const request = createRequest({ ...options, token: '', maxRetries: 0 })
  const post = (path: string, body: unknown, call?: CallOptions) => request<Session>({ ...call, method: 'POST', path, body })
  return {
    register: (account, call) => post('/api/auth/register', account, call),
    login: (account, call) => post('/api/auth/login', account, call)
  }
}
