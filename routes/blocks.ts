import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { UserId } from '../schemas/common.js'
import { BlockAnswer, BlockList } from '../schemas/users.js'

const Params = Type.Object({ userId: UserId })

/** Whom the caller blocks. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app

  app.get('/blocks', {
    schema: {
      operationId: 'listBlocks',
      tags: ['users'],
      summary: 'List the users whom the caller blocks, newest block first',
      response: { 200: BlockList }
    }
  }, async ({ chatCaller: caller }) => await chat.blocks(caller.userId))

  app.put('/blocks/:userId', {
    schema: {
      operationId: 'blockUser',
      tags: ['users'],
      summary: 'Block a user',
      params: Params,
      response: { 200: BlockAnswer },
      errors: ['SELF_CONVERSATION', 'UNKNOWN_USER', 'TOO_MANY_BLOCKS']
    }
  }, async ({ chatCaller: caller, params }) => await chat.block(caller.userId, params.userId, true))

  app.delete('/blocks/:userId', {
    schema: { operationId: 'unblockUser', tags: ['users'], summary: 'Unblock a user', params: Params, response: { 200: BlockAnswer } }
  }, async ({ chatCaller: caller, params }) => await chat.block(caller.userId, params.userId, false))
}

export default routes
