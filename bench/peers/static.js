// Serves the folder of its argument with @fastify/static, and nothing else.

import fastifyStatic from '@fastify/static'
import Fastify from 'fastify'

const app = Fastify()
await app.register(fastifyStatic, { root: process.env.STATIC_ROOT })
const address = await app.listen({ host: '127.0.0.1', port: 0 })
process.stdout.write(`listens on ${address}\n`)
