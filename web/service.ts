import { createAccounts } from '../client/index.js'

const { dataset } = document.documentElement

/** How one gets in here; the server says so in the page's first element. */
export const signInBy = dataset.signIn as 'accounts' | 'token' | 'host'
export const hasDocs = dataset.docs === 'on'

/** The folder that the page lies in is where the service is. */
export const baseUrl = new URL('.', location.href).href.replace(/\/$/, '')
export const accounts = createAccounts({ baseUrl })
