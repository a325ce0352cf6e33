import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import {
  DeadPage, DeadQuery, Delivery, NewSecret, NewWebhook, SkipBody, Skipped, Webhook, WebhookBody, WebhookChanges, WebhookList
} from '../../schemas/webhooks.js'

const Params = Type.Object({ id: Type.String({ maxLength: 64 }) })
const DeadParams = Type.Object({ ...Params.properties, eventId: Type.String({ maxLength: 128 }) })

/** Endpoints that are sent events, for operators. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { webhooks } = app.chat

  app.post('/webhooks', {
    schema: {
      operationId: 'createWebhook',
      tags: ['admin'],
      summary: 'Send events to an endpoint from now on, or from the oldest that is kept',
      body: WebhookBody,
      response: { 201: NewWebhook }
    }
  }, async ({ body }, reply) => {
    const webhook = await webhooks.create(body)
    reply.code(201)
    return webhook
  })

  app.get('/webhooks', {
    schema: { operationId: 'listWebhooks', tags: ['admin'], summary: 'List all webhooks, with how far each lane is', response: { 200: WebhookList } }
  }, async () => ({ webhooks: await webhooks.list() }))

  app.get('/webhooks/:id', {
    schema: {
      operationId: 'getWebhook',
      tags: ['admin'],
      summary: 'Get a webhook, with how far each lane is',
      params: Params,
      response: { 200: Webhook }
    }
  }, async ({ params }) => await webhooks.get(params.id))

  app.patch('/webhooks/:id', {
    schema: {
      operationId: 'updateWebhook',
      tags: ['admin'],
      summary: 'Change a webhook, disable it, or let it go on where it stopped',
      params: Params,
      body: WebhookChanges,
      response: { 200: Webhook }
    }
  }, async ({ params, body }) => await webhooks.change(params.id, body))

  app.delete('/webhooks/:id', {
    schema: { operationId: 'deleteWebhook', tags: ['admin'], summary: 'Delete a webhook', params: Params, response: { 204: Type.Null() } }
  }, async ({ params }, reply) => {
    await webhooks.delete(params.id)
    return await reply.code(204).send(null)
  })

  app.post('/webhooks/:id/rotate', {
    schema: {
      operationId: 'rotateWebhookSecret',
      tags: ['admin'],
      summary: 'Make a new secret; for 24 hours requests are signed with the old one, too',
      params: Params,
      response: { 200: NewSecret }
    }
  }, async ({ params }) => await webhooks.rotate(params.id))

  app.post('/webhooks/:id/test', {
    schema: { operationId: 'testWebhook', tags: ['admin'], summary: 'Send a `ping`', params: Params, response: { 200: Delivery } }
  }, async ({ params }) => await webhooks.test(params.id))

  app.get('/webhooks/:id/dead', {
    schema: {
      operationId: 'listDeadDeliveries',
      tags: ['admin'],
      summary: 'List events that the endpoint refused, or that were skipped; they are kept for 30 days',
      params: Params,
      querystring: DeadQuery,
      response: { 200: DeadPage },
      errors: ['INVALID_CURSOR']
    }
  }, async ({ params, query }) => await webhooks.dead(params.id, query.cursor))

  app.post('/webhooks/:id/dead/:eventId/retry', {
    schema: {
      operationId: 'retryDeadDelivery',
      tags: ['admin'],
      summary: 'Send such an event once more; if it is taken, it is no longer kept',
      params: DeadParams,
      response: { 200: Delivery }
    }
  }, async ({ params }) => await webhooks.retry(params.id, params.eventId))

  app.post('/webhooks/:id/skip', {
    schema: {
      operationId: 'skipDelivery',
      tags: ['admin'],
      summary: 'Give up the event that blocks a lane, and go on with the next',
      params: Params,
      body: SkipBody,
      response: { 200: Skipped }
    }
  }, async ({ params, body }) => await webhooks.skip(params.id, body))
}

export default routes
