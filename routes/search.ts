import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { SearchPage, SearchQuery } from '../schemas/search.js'

/** Messages by what they say, in the caller's conversations. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.get('/search', {
    schema: {
      operationId: 'searchMessages',
      tags: ['messages'],
      summary: 'Search the messages of the caller\'s conversations, newest first',
      querystring: SearchQuery,
      response: { 200: SearchPage },
      errors: ['INVALID_CURSOR', 'FEATURE_OFF', 'NOT_FOUND']
    },
    // Where search is off, the query is not looked at.
    preValidation: async () => { chat.searching.assertOn() }
  }, async ({ chatCaller: caller, query }) => await chat.search(caller.userId, query))
}

export default routes
