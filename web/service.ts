import { createAccounts } from '../client/index.js'

const { dataset } = document.documentElement

/** How users sign in. The server writes it into the page's `html` element. */
export const signInBy = dataset.signIn as 'accounts' | 'token' | 'host'
export const hasDocs = dataset.docs === 'on'
export const hasFiles = dataset.files === 'on'
/** Whether nobody has an account yet. */
export const isEmpty = dataset.empty === 'on'

/** The URL of the service: the folder of the page. */
export const baseUrl = new URL('.', location.href).href.replace(/\/$/, '')
export const accounts = createAccounts({ baseUrl })
