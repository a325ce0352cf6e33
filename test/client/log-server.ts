import { messageEvent } from './made.js'
import { scriptedServer, type Exchange } from './scripted-server.js'

/** A server with the log of one conversation. It resumes as the contract says: event n + 1 follows the id `e<n>`. */
export async function logServer (t: { teardown (callback: () => unknown): void }) {
  const open = new Set<Exchange>()
  let length = 0
  const send = (exchange: Exchange, n: number) => exchange.event('message', messageEvent(n), `e${n}`)

  const server = await scriptedServer(t, (exchange) => {
    if (exchange.token === 'refused') return exchange.refuse(401, 'UNAUTHORIZED')
    const { lastEventId } = exchange
    const from = lastEventId === undefined ? length : Number(lastEventId.slice(1))
    exchange.open({ resumed: lastEventId !== undefined }, `e${from}`)
    for (let n = from + 1; n <= length; n++) send(exchange, n)
    open.add(exchange)
    exchange.response.on('close', () => open.delete(exchange))
  })
  return {
    ...server,
    get length () { return length },
    streams: open,
    publish (count = 1) {
      while (count-- > 0) {
        length++
        for (const exchange of open) send(exchange, length)
      }
    }
  }
}
