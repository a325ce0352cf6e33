import { perDelivery, Room } from '../load/room.js'
import type { Suite } from '../suite.js'
import { withEach } from '../systems/broadcasters.js'

const STREAMS = 1000
const SENDERS = 64

const suite: Suite = {
  summary: '1,000 streams of one conversation, 64 connections posting as fast as they are answered',
  async run (context) {
    const cost = new Map<string, number>()
    await withEach(context, async system => {
      const room = new Room(system, SENDERS)
      await room.open(STREAMS)
      await room.burst(context.pick(3000, 1000))
      const windows = await context.repeat(system.name, async () => await room.burst(context.pick(4000, 1500)))
      room.close()
      await room.verify()
      cost.set(system.name, context.figure(system.name, 'CPU a delivery', 'µs', windows.map(perDelivery)))
      context.figure(system.name, 'messages', '', windows.map(({ messages }) => messages))
    })
    const ours = cost.get('fastify-sse-chat')!
    context.target('a delivery, all in', ours, 1.0, 'µs')
    context.target('of plain fastify-sse-v2\'s', ours / cost.get('fastify-sse-v2')!, 1 / 9, '×')
    const nchan = cost.get('nchan')
    if (nchan !== undefined) context.target('of nchan\'s', ours / nchan, 1 / 2, '×')
  }
}

export default suite
