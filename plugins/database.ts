import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Database, DatabaseOptions } from '../store/database.js'
import { openDatabase } from '../store/open-database.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The chat's database. */
    chatDatabase: Database
  }
}

/** Opens the chat's database, migrates it to this version, and closes it with the app. */
async function databasePlugin (app: FastifyInstance, options: DatabaseOptions): Promise<void> {
  const database = await openDatabase({ onTrouble: message => { app.log.error(`chat: ${message}`) }, ...options })
  app.decorate('chatDatabase', database)
  app.addHook('onClose', async () => { await database.close() })
}

export default fp(databasePlugin, { name: 'fastify-sse-chat-database', fastify: '5.x' })
