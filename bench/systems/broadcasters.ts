import type { Context } from '../suite.js'
import { nchanIsInstalled, Nchan } from './nchan.js'
import { Peer } from './peer.js'
import { ProductRoom } from './product.js'
import type { Broadcaster } from './system.js'

/** The product and all whom it is compared with, one after the other, each ended before the next begins. */
export async function withEach (context: Context, measure: (system: Broadcaster) => Promise<void>): Promise<void> {
  const starts: Array<() => Promise<Broadcaster>> = [
    async () => await ProductRoom.start(),
    async () => await Peer.start('fastify-sse-v2'),
    async () => await Peer.start('fastify-sse'),
    async () => await Peer.start('better-sse'),
    async () => await Peer.start('socket.io')
  ]
  if (nchanIsInstalled()) starts.push(async () => await Nchan.start())
  else context.skip('nchan: Debian\'s nginx-light and libnginx-mod-nchan are not installed')
  for (const start of starts) {
    const system = await start()
    try {
      context.progress(`${system.name}: opening`)
      await measure(system)
    } finally {
      await system.stop()
    }
  }
}
