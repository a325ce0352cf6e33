import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { maskTokens } from '../plugins/logging.js'

export interface PageOptions {
  /** How a user signs in: with an account, with a token from an identity provider, or through the host's own login. */
  signIn: 'accounts' | 'token' | 'host'
  /** Whether the page links to the OpenAPI document. */
  docs: boolean
  /** Whether the service takes files. */
  files: boolean
  /** Whether nobody uses the service yet: the page offers to create an account first. Default: there are users. */
  isEmpty?: () => Promise<boolean>
  /** False serves only the custom elements: `/chat.js`, and what it loads. Default: true. */
  page?: boolean
  /** The origins whose pages may hold the page in a frame, or `self`. Default: none. */
  frameAncestors?: string[] | undefined
  /** The folder that holds the built page. Default: where `npm run build` puts it. */
  directory?: string
}

/** The build puts the page next to the compiled routes. Routes that run from source find it in dist/. */
const built = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../dist/web/' : '../web/', import.meta.url))

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml'
}

/** The page may load only its own files and call only the service that it came from. No text ever becomes HTML. */
const pageHeaders = (frameAncestors: readonly string[]) => ({
  'Content-Security-Policy': [
    'default-src \'none\'', 'script-src \'self\'', 'style-src \'self\'', 'connect-src \'self\'', 'img-src \'self\' data: https:',
    'media-src \'self\'',
    'base-uri \'none\'', 'form-action \'none\'', `frame-ancestors ${frameAncestors.length === 0 ? '\'none\'' : frameAncestors.map(source => source === 'self' ? '\'self\'' : source).join(' ')}`,
    'require-trusted-types-for \'script\'', 'trusted-types \'none\''
  ].join('; '),
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff'
})

/** Pages of any origin may load the elements. They hold no secrets, and a service answers only the origins that it names. */
const elementHeaders = {
  'Access-Control-Allow-Origin': '*',
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'X-Content-Type-Options': 'nosniff'
}
const isOfElements = (name: string): boolean => name === 'chat.js' || name.startsWith('chat/')
/** Names that do not change with the content. */
const stable = ['index.html', 'chat.js']

interface PageFile {
  type: string
  etag: string
  cacheControl: string
  bytes: Buffer
  gzipped: Buffer
}

/** Serves the page at `/` and the custom elements at `/chat.js`: a few files, held in memory. */
export default async function routes (app: FastifyInstance, options: PageOptions): Promise<void> {
  const { directory = built, page = true, frameAncestors = [], isEmpty = async () => false } = options
  const files = await readPage(directory, options)
  const index = files.get('index.html')
  const empty = index && fileOf('index.html', Buffer.from(index.bytes.toString().replace('data-empty="off"', 'data-empty="on"')))
  const headers = pageHeaders(frameAncestors)

  if (page) {
    let hasUsers = false
    serve('/', async (request, reply) => {
      const [path = '', query] = request.url.split('?')
      // The page's links are relative to its folder.
      if (!path.endsWith('/')) return reply.redirect(`${path.slice(path.lastIndexOf('/') + 1)}/${query === undefined ? '' : `?${maskTokens(query)}`}`, 308)
      // A database in trouble keeps nobody from the page.
      hasUsers ||= !await isEmpty().catch(() => false)
      if (index !== undefined) return send(request, reply.headers(headers), hasUsers ? index : empty!)
      return reply.code(503).type('text/plain; charset=utf-8').send('The page is not built: run `npm run build`, then start the server again.\n')
    })
  }
  for (const [name, file] of files) {
    if (isOfElements(name)) serve(`/${name}`, (request, reply) => send(request, reply.headers(elementHeaders), file))
    else if (page && file !== index) serve(`/${name}`, (request, reply) => send(request, reply.headers(headers), file))
  }
  if (index === undefined) app.log.warn(`The page is not built: there is no index.html in ${directory}`)

  function serve (url: string, handler: (request: FastifyRequest, reply: FastifyReply) => FastifyReply | Promise<FastifyReply>): void {
    app.route({ method: ['GET', 'HEAD'], url, exposeHeadRoute: false, schema: { hide: true }, config: { rateLimit: false }, handler })
  }
}

function send ({ headers }: FastifyRequest, reply: FastifyReply, file: PageFile): FastifyReply {
  const { 'if-none-match': known, 'accept-encoding': accepted } = headers
  const { type, etag, cacheControl, bytes, gzipped } = file
  reply.headers({ ETag: etag, 'Cache-Control': cacheControl, Vary: 'Accept-Encoding' })
  if (listOf(known).some(tag => tag === etag || tag === '*')) return reply.code(304).send()
  reply.type(type)
  return acceptsGzip(accepted)
    ? reply.header('Content-Encoding', 'gzip').send(gzipped)
    : reply.send(bytes)
}

/** Splits a comma-separated header (RFC 9110, 5.6.1). The page's entity tags contain no commas. */
const listOf = (header: string | string[] | undefined): string[] => String(header ?? '').split(',').map(element => element.trim())

/** Whether `gzip` has a weight above 0 (RFC 9110, 12.5.3). The default weight is 1. */
function acceptsGzip (header: string | string[] | undefined): boolean {
  return listOf(header).some(element => {
    const [coding, weight] = element.toLowerCase().split(';').map(part => part.trim())
    return coding === 'gzip' && !(weight?.startsWith('q=') === true && Number(weight.slice(2)) === 0)
  })
}

async function readPage (directory: string, options: PageOptions): Promise<Map<string, PageFile>> {
  const names = await readdir(directory, { recursive: true }).catch(() => [])
  const served = names.map(name => name.replaceAll('\\', '/')).filter(name => extname(name) in types)
  const files = await Promise.all(served.map(async (name): Promise<[string, PageFile]> => {
    const content = await readFile(join(directory, name))
    const bytes = name === 'index.html' ? configure(content, options) : content
    return [name, fileOf(name, bytes)]
  }))
  return new Map(files)
}

const fileOf = (name: string, bytes: Buffer): PageFile => ({
  type: types[extname(name)]!,
  // Weak, because both encodings share it.
  etag: `W/"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`,
  // All other names contain a hash of the content, so these files never change.
  cacheControl: stable.includes(name) ? 'no-cache' : 'public, max-age=31536000, immutable',
  bytes,
  gzipped: gzipSync(bytes, { level: 9 })
})

const switched = (on: boolean): string => on ? 'on' : 'off'

/** Attributes of the root element tell the page how to sign in, and what the service has. */
function configure (html: Buffer, { signIn, docs, files }: PageOptions): Buffer {
  const attributes = `data-sign-in="${signIn}" data-docs="${switched(docs)}" data-files="${switched(files)}" data-empty="off"`
  return Buffer.from(html.toString().replace(/<html [^>]*>/, `<html lang="en" ${attributes}>`))
}
