import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Link } from '../chat/file-links.js'
import { chatError } from '../errors.js'
import { MULTIPART_OVERHEAD, readFilePart } from '../plugins/multipart.js'
import { sendFile } from '../plugins/send-file.js'
import { timesOf } from '../plugins/upload-time.js'
import { FileId, FileUrlsBody, FileUrls, UploadedFile } from '../schemas/files.js'

const Params = Type.Object({ id: FileId })
const FilePart = Type.Unsafe<unknown>({ type: 'string', contentMediaType: 'application/octet-stream', description: 'One part, with a filename' })

/** Uploading files, deleting them before they are attached, and reading them with a token. */
const routes: FastifyPluginAsyncTypebox = async app => {
  const { chat } = app
  // After the caller is known, and before the body is read.
  app.addHook('preParsing', async () => { if (!chat.hasFiles) throw chatError('FEATURE_OFF') })

  await app.register(async upload => {
    // The body is read by the handler.
    upload.addContentTypeParser('multipart/form-data', (_request, _body, done) => { done(null) })
    upload.addHook('preParsing', async ({ headers }) => {
      if (!/^multipart\/form-data\s*(;|$)/i.test(headers['content-type'] ?? '')) throw chatError('UNSUPPORTED_MEDIA_TYPE')
    })
    upload.post('/files', {
      // The body is no JSON: the schema documents it.
      validatorCompiler: () => () => true,
      schema: {
        operationId: 'uploadFile',
        tags: ['files'],
        summary: 'Upload a file, to be attached to a message',
        consumes: ['multipart/form-data'],
        body: Type.Object({ file: FilePart }),
        response: { 201: UploadedFile },
        errors: ['REFUSED', 'FEATURE_OFF', 'REQUEST_TIMEOUT', 'FILE_TOO_LARGE', 'FILE_TYPE_NOT_ALLOWED', 'FILE_INVALID', 'TOO_MANY_FILES']
      }
    }, async (request, reply) => {
      const file = await chat.files.upload(request.chatCaller, async () => {
        assertSize(request, chat.files.maxBytes)
        return await readFilePart(request.raw, timesOf(chat.files.maxBytes))
      }, { signal: whileOpen(reply) })
      reply.code(201)
      return file
    })
  })

  app.delete('/files/:id', {
    schema: {
      operationId: 'deleteFile',
      tags: ['files'],
      summary: 'Delete an uploaded file that is not attached',
      params: Params,
      response: { 204: Type.Null() },
      errors: ['FEATURE_OFF', 'FILE_USED']
    }
  }, async ({ chatCaller: caller, params }, reply) => {
    await chat.files.delete(caller.userId, params.id)
    return await reply.code(204).send(null)
  })

  app.post('/files/urls', {
    schema: {
      operationId: 'getFileUrls',
      tags: ['files'],
      summary: 'Get URLs of files that need no token, for five to ten minutes',
      body: FileUrlsBody,
      response: { 200: FileUrls },
      errors: ['FEATURE_OFF']
    }
  }, async ({ chatCaller: caller, body }) => {
    const urls: FileUrls['urls'] = {}
    for (const [id, { file, thumbnail, expiresAt }] of await chat.files.links(caller.userId, body)) {
      const url = (link: Link): string => `${app.prefix}/files/${encodeURIComponent(id)}/content?${new URLSearchParams({ ...link }).toString()}`
      urls[id] = { url: url(file), thumbnailUrl: thumbnail === null ? null : url(thumbnail), expiresAt }
    }
    return { urls }
  })

  app.get('/files/:id', {
    schema: {
      operationId: 'downloadFile',
      tags: ['files'],
      summary: 'Download a file',
      params: Params,
      produces: ['application/octet-stream'],
      errors: ['FEATURE_OFF', 'RANGE_NOT_SATISFIABLE']
    }
  }, async (request, reply) => await sendFile(request, reply, await chat.files.open(request.chatCaller.userId, request.params.id)))

  app.get('/files/:id/thumbnail', {
    schema: {
      operationId: 'downloadThumbnail',
      tags: ['files'],
      summary: 'Download the thumbnail of an image',
      params: Params,
      produces: ['image/webp'],
      errors: ['FEATURE_OFF', 'RANGE_NOT_SATISFIABLE']
    }
  }, async (request, reply) => await sendFile(request, reply, await chat.files.open(request.chatCaller.userId, request.params.id, 'thumbnail')))
}

/** Reading files by their signed URLs, without a token. */
export const fileLinkRoutes: FastifyPluginAsyncTypebox = async app => {
  app.addHook('preParsing', async () => { if (!app.chat.hasFiles) throw chatError('FEATURE_OFF') })
  app.get('/files/:id/content', {
    // Whatever is wrong with a URL, there is no such file.
    errorHandler: (error, _request, reply) => { throw error.validation === undefined ? error : chatError('NOT_FOUND', { cause: error }) },
    schema: {
      operationId: 'downloadSignedFile',
      tags: ['files'],
      summary: 'Download a file by a URL that was signed for the caller',
      params: Params,
      querystring: Type.Object({
        e: Type.String({ description: 'When the URL expires' }),
        v: Type.String({ description: 'What is downloaded: the file or its thumbnail' }),
        s: Type.String({ description: 'The signature' })
      }),
      produces: ['application/octet-stream'],
      security: [],
      errors: ['FEATURE_OFF', 'RANGE_NOT_SATISFIABLE']
    }
  }, async (request, reply) =>
    await sendFile(request, reply, await app.chat.files.openLink(request.params.id, request.query), { crossOrigin: true }))
}

/** What is said to be too large is not read. */
function assertSize ({ headers }: FastifyRequest, maxBytes: number): void {
  if (Number(headers['content-length'] ?? 0) > maxBytes + MULTIPART_OVERHEAD) throw chatError('FILE_TOO_LARGE')
}

/** Aborts when the client has gone without an answer. */
function whileOpen ({ raw }: FastifyReply): AbortSignal {
  const abort = new AbortController()
  raw.once('close', () => { if (!raw.writableFinished) abort.abort(chatError('BAD_REQUEST')) })
  return abort.signal
}

export default routes
