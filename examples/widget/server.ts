// A page on a server of its own that holds the chat's elements, under a strict content security policy.
//
//     CORS_ORIGIN=http://localhost:4000 npm start
//     node --import=tsx examples/widget/server.ts alice
//
// CHAT_URL is where the chat is (default: http://localhost:3000). The argument is the user, who gets an account there.

import { createAccounts } from 'fastify-sse-chat/client'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import Fastify from 'fastify'

const chat = process.env.CHAT_URL ?? 'http://localhost:3000'
const port = Number(process.env.PORT ?? 4000)
const userId = `${process.argv[2] ?? 'alice'}-${randomBytes(3).toString('hex')}`
const { token } = await createAccounts({ baseUrl: chat }).register({ userId, password: randomBytes(12).toString('hex') })

const policy = [
  'default-src \'none\'', `script-src 'self' ${chat}`, 'style-src \'self\'', `connect-src 'self' ${chat}`,
  // For pictures and recordings of messages. Without these two lines, all else works.
  `img-src ${chat}`, `media-src ${chat}`,
  'require-trusted-types-for \'script\'', 'trusted-types \'none\''
].join('; ')

const app = Fastify()
app.addHook('onSend', async (_request, reply) => { reply.header('content-security-policy', policy) })
app.get('/session', () => ({ server: chat, token }))
for (const [name, type] of [['index.html', 'text/html'], ['shop.css', 'text/css'], ['shop.js', 'text/javascript']] as const) {
  const path = name === 'index.html' ? '/' : `/${name}`
  app.get(path, async (_request, reply) => await reply.type(`${type}; charset=utf-8`).send(await readFile(new URL(name, import.meta.url))))
}
console.log('listening on', (await app.listen({ port })).replace('127.0.0.1', 'localhost'), `as ${userId}`)
