import type { Route } from '../fuzz/routes.js'

/** A route that a caller can ask about a conversation, a message or a file, by its id in the path, the query or the body. */
export interface NamingRoute {
  name: string
  about: 'conversation' | 'message' | 'file'
  matches: (method: string, path: string) => boolean
}

/** The routes that name a conversation, a message or a file: a test of what strangers learn has to ask each of them. */
export function routesThatName (routes: readonly Route[]): NamingRoute[] {
  return routes.filter(({ method }) => method !== 'HEAD').flatMap(({ name, method, url, query, body }): NamingRoute[] => {
    const about = url.includes('/conversations/:id') || [query, body].some(schema => schema?.properties?.['conversationId'] !== undefined)
      ? 'conversation'
      : url.includes('/messages/:id')
        ? 'message'
        : url.includes('/files/:id') || body?.properties?.['fileIds'] !== undefined ? 'file' : undefined
    const form = new RegExp(`^${url.replaceAll(/:\w+/g, '[^/]+')}$`)
    return about === undefined
      ? []
      : [{ name, about, matches: (verb, path) => verb === method && form.test(path.replace(/\?.*/, '')) }]
  })
}
