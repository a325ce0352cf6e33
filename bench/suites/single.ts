import { latency, perDelivery, Room } from '../load/room.js'
import type { Suite } from '../suite.js'
import { withEach } from '../systems/broadcasters.js'

const STREAMS = 1000
const PER_SECOND = 50
/** Senders: more than one message may be under way. */
const SENDERS = 50

const suite: Suite = {
  summary: '1,000 streams of one conversation, 50 messages a second',
  async run (context) {
    const cost = new Map<string, { cpu: number, p50: number, p99: number }>()
    await withEach(context, async system => {
      const room = new Room(system, SENDERS)
      await room.open(STREAMS)
      await room.steady(PER_SECOND, context.pick(3000, 2000))
      const windows = await context.repeat(system.name, async () => await room.steady(PER_SECOND, context.pick(6000, 3000)))
      room.close()
      await room.verify()
      cost.set(system.name, {
        cpu: context.figure(system.name, 'CPU a delivery', 'µs', windows.map(perDelivery)),
        p50: context.figure(system.name, 'p50', 'ms', windows.map(window => latency(window, 0.5))),
        p99: context.figure(system.name, 'p99', 'ms', windows.map(window => latency(window, 0.99)))
      })
    })
    const ours = cost.get('fastify-sse-chat')!
    const plain = cost.get('fastify-sse-v2')!
    context.target('a delivery, of plain fastify-sse-v2\'s', ours.cpu / plain.cpu, 1 / 2, '×')
    context.target('p50, of plain fastify-sse-v2\'s', ours.p50 / plain.p50, 1, '×')
    context.target('p99, of plain fastify-sse-v2\'s', ours.p99 / plain.p99, 1, '×')
  }
}

export default suite
