// The hub alone, for events of your own: no database, no chat.
//
//   node --import=tsx examples/hub.ts
//   curl -N localhost:3000/orders/7/events &
//   curl -X POST 'localhost:3000/orders/7/shipped?carrier=post'

import Fastify from 'fastify'
import { hubPlugin, type Hub } from 'fastify-sse-chat'

/** Each event with the shape of its data. A wrong name or shape does not compile. */
type ShopEvents = {
  orderPaid: { orderId: string }
  orderShipped: { orderId: string, carrier: string }
}

const app = Fastify()
await app.register(hubPlugin, { heartbeatMs: 15_000 })
const hub = app.getDecorator<Hub<ShopEvents>>('hub')

// Who may follow an order is the app's to decide, before it opens the stream.
app.get<{ Params: { id: string } }>('/orders/:id/events', ({ params: { id } }, reply) => {
  hub.subscribe(reply.openEventStream(), { topics: [`order:${id}`] })
})

app.post<{ Params: { id: string } }>('/orders/:id/paid', ({ params: { id } }, reply) => {
  hub.emit({ type: 'orderPaid', data: { orderId: id }, topics: [`order:${id}`] })
  reply.code(204).send()
})

app.post<{ Params: { id: string }, Querystring: { carrier?: string } }>('/orders/:id/shipped', (request, reply) => {
  const { params: { id }, query: { carrier = 'post' } } = request
  hub.emit({ type: 'orderShipped', data: { orderId: id, carrier }, topics: [`order:${id}`] })
  reply.code(204).send()
})

console.log(`listening on ${await app.listen({ port: Number(process.env.PORT ?? 3000) })}`)
